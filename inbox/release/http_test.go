package release_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/release"
)

const httpManifest = `
[http]
allow      = ["https://API.example.com:443", "https://hooks.example.com:8443"]
private    = ["http://10.0.0.5:8080"]
redirects  = true
ca         = "/etc/inbox/ca.pem"
on_failure = "continue"
[http.retry]
max_attempts = 3
base         = "1s"
[secrets]
crm = {value = "env:CRM_TOKEN", origins = ["https://api.example.com"]}
`

func TestAManifestGrantsRequestsAndSecrets(t *testing.T) {
	t.Parallel()
	m, err := release.ParseManifest([]byte(httpManifest))
	if err != nil {
		t.Fatal(err)
	}
	want := inbox.HTTP{
		Allow: []string{"https://api.example.com", "https://hooks.example.com:8443"}, Private: []string{"http://10.0.0.5:8080"},
		Redirects: true, CA: "/etc/inbox/ca.pem", Policy: inbox.Policy{MaxAttempts: 3, Base: time.Second, OnFailure: inbox.Continue},
		Secrets: []inbox.SecretGrant{{Name: "crm", Value: "env:CRM_TOKEN", Origins: []string{"https://api.example.com"}}},
	}
	if diff := cmp.Diff(want, m.HTTP); diff != "" {
		t.Error(diff)
	}
	p := m.WithDefaults(1).HTTP.Policy
	if p.MaxAttempts != 3 || p.Max != 12*time.Hour || p.HoldAfter != 5 {
		t.Errorf("with defaults: %+v", p)
	}
}

func TestASecretInAManifestIsInNoError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"[secrets]\na = \"hunter2\"", "[secrets]\na = {value = \"hunter2\", origins = [\"https://a.test\"]}",
		"[secrets]\na = {value = \"plain:hunter2\", origins = []}",
	} {
		if _, err := release.ParseManifest([]byte(text)); err == nil || strings.Contains(err.Error()+inbox.HintOf(err), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAModuleGetsNoRequestAndNoSecretByItsSection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ section, file, missing string }{
		"an origin":                {"[http]\nallow = [\"https://a.test\"]", "", "http.allow = ['https://a.test']"},
		"another origin":           {"[http]\nallow = [\"https://a.test\"]", "[http]\nallow = [\"https://b.test\"]", "http.allow"},
		"a private origin":         {"[http]\nprivate = [\"http://10.0.0.1\"]", "[http]\nallow = [\"https://b.test\"]", "http.private"},
		"redirects":                {"[http]\nredirects = true", "", "http.redirects"},
		"a secret":                 {"[secrets]\na = {origins = [\"https://a.test\"]}", "", "secrets.a.origins"},
		"an origin of a secret":    {"[secrets]\na = {origins = [\"https://a.test\"]}", "[secrets]\na = {value = \"env:A\", origins = [\"https://b.test\"]}", "secrets.a.origins"},
		"nothing but what it has":  {"[http]\nallow = [\"https://a.test\"]", "[http]\nallow = [\"https://A.test:443\", \"https://b.test\"]", ""},
		"a secret that is granted": {"[secrets]\na = {origins = [\"https://a.test\"]}", "[secrets]\na = {value = \"env:A\", origins = [\"https://a.test\"]}", ""},
	} {
		a, err := release.AgreeWith("p", []byte(c.section), []byte(c.file), 4)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		switch err := a.Err("p"); {
		case c.missing == "" && err != nil, c.missing != "" && (err == nil || !strings.Contains(err.Error(), c.missing)):
			t.Errorf("%s: %v, want %q", name, err, c.missing)
		}
		if c.file == "" && (len(a.Manifest.HTTP.Allow) > 0 || len(a.Manifest.HTTP.Secrets) > 0) {
			t.Errorf("%s: the section granted %+v", name, a.Manifest.HTTP)
		}
	}
	for name, c := range map[string]struct{ section, file, says string }{
		"a section with a place": {"[secrets]\na = {value = \"env:HOME\", origins = [\"https://a.test\"]}", "", "only the operator's p.toml may"},
		"a file without a place": {"", "[secrets]\na = {origins = [\"https://a.test\"]}", "secrets.a has no value"},
	} {
		if _, err := release.AgreeWith("p", []byte(c.section), []byte(c.file), 4); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
