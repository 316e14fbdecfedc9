package config_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/config"
	"inbox/inbox/qoreid"
)

// load loads settings from the text of a file, environment variables and flags.
func load(t *testing.T, text string, env map[string]string, flags map[string]string) (*config.Settings, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "inbox.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := config.Load(config.Inputs{File: path, Flags: flags, Getenv: func(k string) string { return env[k] }})
	if err != nil {
		return nil, fmt.Errorf("%s", strings.ReplaceAll(err.Error(), path, "inbox.toml"))
	}
	return s, nil
}

func mustLoad(t *testing.T, text string, env, flags map[string]string) *config.Settings {
	t.Helper()
	s, err := load(t, text, env, flags)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keys(list []qoreid.Secret) []string {
	var out []string
	for _, s := range list {
		out = append(out, s.Name+"="+string(s.Key))
	}
	return out
}

func TestAFlagOverridesTheEnvironmentWhichOverridesTheFileWhichOverridesTheDefault(t *testing.T) {
	t.Parallel()
	text := `listen = "file:1"`
	for _, c := range []struct {
		text       string
		env, flags map[string]string
		want, from string
	}{
		{"", nil, nil, "127.0.0.1:8080", "default"},
		{text, nil, nil, "file:1", "file"},
		{text, map[string]string{"INBOX_LISTEN": "env:1"}, nil, "env:1", "environment"},
		{text, map[string]string{"INBOX_LISTEN": ""}, nil, "file:1", "file"},
		{text, map[string]string{"INBOX_LISTEN": "env:1"}, map[string]string{"listen": "flag:1"}, "flag:1", "flag"},
	} {
		s := mustLoad(t, c.text, c.env, c.flags)
		if got := s.Values()[1]; got != (config.Value{Key: "listen", Value: c.want, From: c.from}) {
			t.Errorf("listen is %+v, not %s from %s", got, c.want, c.from)
		}
	}
}

func TestUnsetSettingsHaveTheirDefaults(t *testing.T) {
	t.Parallel()
	s, err := config.Load(config.Inputs{Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	if s.Data != "./inbox-data" || s.Admin != "127.0.0.1:8081" || s.Health != "" || s.MinFree != 1<<30 || s.LogLevel != slog.LevelInfo ||
		s.Plugins != filepath.Join("./inbox-data", "plugins") || s.File != "" {
		t.Errorf("defaults: %+v", s)
	}
	source := s.IntakeSources()
	if len(source) != 1 || source[0].Name != "qoreid" || source[0].Path != "/webhooks/qoreid" || source[0].Mode != inbox.Live || source[0].MaxBody != 10<<20 {
		t.Errorf("default source: %+v", source)
	}
}

func TestEverySettingIsRead(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, `
data = "/d"
listen = ":80"
admin = ""
health = "127.0.0.1:9"
plugins = "/p"
trusted_proxies = ["10.0.0.0/8", "::1"]
min_free = "3 MiB"
[log]
format = "json"
level = "debug"

[[source]]
name = "qoreid"
secrets = ["env:A"]
[[source]]
name = "t"
path = "/hooks/t"
mode = "test"
secrets = { old = "env:A", new = "env:B" }
header = "x-other"
algorithm = "sha256"
key = "customer_reference"
max_body = 2048
dedup = "off"
[[source.map]]
event = "workflow"
key = "/data/k"
status = "/s"
state = "/t"
customer_reference = "/c"
[[source.map]]
key = "/k"
`, map[string]string{"A": "a", "B": "b"}, nil)
	if s.Data != "/d" || s.Listen != ":80" || s.Admin != "" || s.Health != "127.0.0.1:9" || s.Plugins != "/p" || s.MinFree != 3<<20 ||
		s.LogFormat != "json" || s.LogLevel != slog.LevelDebug || fmt.Sprint(s.Proxies) != "[10.0.0.0/8 ::1/128]" {
		t.Errorf("settings: %+v", s)
	}
	d := s.IntakeSources()[1]
	got := []any{d.Name, d.Path, d.Mode, d.Header, d.Algorithm, d.KeyBy, d.MaxBody, d.NoDedup, keys(d.Secrets())}
	want := []any{"t", "/hooks/t", inbox.Test, "x-other", qoreid.SHA256, qoreid.ByReference, int64(2048), true, []string{"new=b", "old=a"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	maps := []qoreid.Map{{Event: "workflow", Key: "/data/k", Status: "/s", State: "/t", CustomerReference: "/c"}, {Key: "/k"}}
	if diff := cmp.Diff(maps, d.Maps); diff != "" {
		t.Error(diff)
	}
	if q := s.Source("qoreid"); q.Path != "/webhooks/qoreid" || q.Mode != inbox.Live {
		t.Errorf("a block named qoreid does not replace the default source: %+v", q)
	}
}

func TestOneErrorListsAllMistakesWithTheirLines(t *testing.T) {
	t.Parallel()
	_, err := load(t, `lissten = ":80"
admin = 12
min_free = "lots"
trusted_proxies = ["ten"]
[log]
levle = "info"
format = "xml"
[[source]]
mode = "prod"
[[source]]
name = "a b"
path = "hooks"
secrets = ["hunter2"]
algorithm = "md5"
max_body = "2 TiB"
pathh = "/x"
[[source.map]]
key = "data"
colour = "red"
[[source]]
name = "c"
path = "/c"
secrets = []
[[source]]
name = "c"
path = "/c"
secrets = 5
[unheard]
of = 1
`, map[string]string{"INBOX_HEALTH": "nowhere"}, map[string]string{"listen": ":http"})
	want := `--listen is ":http", whose port is not a number from 0 to 65535
INBOX_HEALTH is "nowhere", not an address such as "127.0.0.1:8080"
inbox.toml:1: lissten is not a setting; did you mean listen?
inbox.toml:2: admin is "12", not an address such as "127.0.0.1:8080"
inbox.toml:3: min_free is "lots", not a size such as "64 MiB"
inbox.toml:4: trusted_proxies contains "ten", which is neither an address nor a network such as "10.0.0.0/8"
inbox.toml:6: log.levle is not a setting; did you mean log.level?
inbox.toml:7: log.format is "xml", not one of auto, text, json
inbox.toml:8: source[0].name is missing
inbox.toml:8: source[0].secrets is missing: name their places, as in secrets = ["env:NAME", "file:/path"]
inbox.toml:9: source[0].mode is "prod", not one of ["live" "test"]
inbox.toml:11: source[1].name is "a b", not lower-case letters, digits, - and _, 64 at most
inbox.toml:12: source[1].path is "hooks", not a path such as "/webhooks/test"
inbox.toml:13: source[1].secrets contains a value that is not "env:NAME" or "file:PATH"; do not write a secret into the file
inbox.toml:14: source[1].algorithm is "md5", not one of ["sha512" "sha256"]
inbox.toml:15: source[1].max_body is "2 TiB", not between 1 byte and 1 GiB
inbox.toml:16: source[1].pathh is not a setting; did you mean path?
inbox.toml:18: source[1].map[0].key is "data", not a JSON pointer such as "/data/id"
inbox.toml:19: source[1].map[0].colour is not a setting
inbox.toml:23: source[2].secrets is empty
inbox.toml:25: source[3].name is "c", which another source has
inbox.toml:27: source[3].secrets contains a value that is not "env:NAME" or "file:PATH"; do not write a secret into the file
inbox.toml:28: unheard is not a setting`
	if err == nil {
		t.Fatal("no error")
	}
	got := strings.Split(err.Error(), "\n")
	if diff := cmp.Diff(strings.Split(want, "\n"), got); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("the error contains a value that may be a secret")
	}
}

func TestASyntaxErrorIsReportedWithItsLine(t *testing.T) {
	t.Parallel()
	_, err := load(t, "listen = \":80\"\nadmin = \n", nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "inbox.toml:2:") {
		t.Errorf("got %v", err)
	}
}

func TestWrongTypesAndValuesAreReported(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`listen = 1.5`:                 "inbox.toml:1: listen is neither a text nor a whole number",
		`trusted_proxies = [1]`:        "inbox.toml:1: trusted_proxies is a list with values that are not texts",
		`log = "json"`:                 "inbox.toml:1: log is not a table",
		`source = "qoreid"`:            "inbox.toml:1: source is not a list of tables: write [[source]] above each",
		`source = ["qoreid"]`:          "inbox.toml:1: source is not a list of tables: write [[source]] above each",
		"data = \"\"":                  "inbox.toml:1: data must not be empty",
		"min_free = \"9999999999 TB\"": "inbox.toml:1: min_free is \"9999999999 TB\", which is too large",
		"[log]\nlevel = \"loud\"":      "inbox.toml:2: log.level is \"loud\", not one of debug, info, warn, error",
	} {
		if _, err := load(t, text, nil, nil); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestANamedFileMustExist(t *testing.T) {
	t.Parallel()
	for _, in := range []config.Inputs{
		{File: "/nowhere/inbox.toml", Getenv: func(string) string { return "" }},
		{Getenv: func(k string) string { return map[string]string{"INBOX_CONFIG": "/nowhere/inbox.toml"}[k] }},
	} {
		_, err := config.Load(in)
		if inbox.KindOf(err) != inbox.Invalid || !strings.Contains(fmt.Sprint(err), "/nowhere/inbox.toml cannot be read: no such file") {
			t.Errorf("got %v", err)
		}
	}
}

func TestTheExampleChangesNothingAndIsValidWhenUncommented(t *testing.T) {
	t.Parallel()
	plain := mustLoad(t, "", nil, nil)
	if diff := cmp.Diff(plain.Values()[1:], mustLoad(t, config.Example, nil, nil).Values()[1:]); diff != "" {
		t.Errorf("the example changes settings: %s", diff)
	}
	var uncommented []string
	for line := range strings.Lines(config.Example) {
		rest, isComment := strings.CutPrefix(line, "# ")
		if isComment && (strings.HasPrefix(rest, "[") || strings.Contains(rest, " = ")) {
			line = rest
		}
		uncommented = append(uncommented, line)
	}
	text := strings.Join(uncommented, "")
	s := mustLoad(t, text, map[string]string{"INBOX_TEST_SECRET": "x"}, nil)
	for i, v := range s.Values() {
		if v.From != "file" {
			t.Errorf("the example lacks %s", v.Key)
		}
		if want := plain.Values()[i].Value; v.Value != want && v.Key != "plugins" {
			t.Errorf("the default of %s is %q in the example, want %q", v.Key, v.Value, want)
		}
	}
	if src := s.Source("qoreid-test"); src == nil || src.Mode != inbox.Test || len(src.Maps) != 1 {
		t.Errorf("the example's source: %+v", src)
	}
}

func TestTheManualHasTheCurrentTableOfSettings(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(manual), config.Markdown()) {
		t.Errorf("docs/OPERATIONS.md does not contain this table:\n%s", config.Markdown())
	}
}

func TestPrintedSettingsHaveTheSameEffectAndContainNoSecret(t *testing.T) {
	t.Parallel()
	env := map[string]string{"INBOX_QOREID_SECRET": "sesame-1", "B": "sesame-2"}
	s := mustLoad(t, `
min_free = 1000
trusted_proxies = ["10.0.0.0/8"]
[[source]]
name = "other"
secrets = { b = "env:B", gone = "file:/nowhere/gone" }
dedup = "off"
[[source.map]]
key = "/data/k"
`, env, map[string]string{"admin": ""})
	text := s.TOML()
	for _, leak := range []string{"sesame"} {
		if strings.Contains(text, leak) || strings.Contains(fmt.Sprintf("%+v %#v %v", s, s.Sources, s.Sources[0].Secrets), leak) {
			t.Errorf("%q is printed:\n%s", leak, text)
		}
	}
	if !strings.Contains(text, "# secret gone is not set: no such file or directory") {
		t.Errorf("a missing secret is not reported:\n%s", text)
	}
	again := mustLoad(t, text, env, nil)
	for i, v := range again.Values() {
		if want := s.Values()[i].Value; v.Value != want {
			t.Errorf("%s is %q after reading back, not %q", v.Key, v.Value, want)
		}
	}
	if got, want := fmt.Sprintf("%+v", again.Sources[1].Intake().Maps), fmt.Sprintf("%+v", s.Sources[1].Intake().Maps); got != want || !again.Sources[1].NoDedup {
		t.Errorf("source after reading back: %+v", again.Sources[1])
	}
}

// The webhook handler ignores superfluous slashes in paths, so paths that differ only in them are the same.
func TestTwoSourcesCannotHaveTheSamePath(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/in/", "//in", "/x/../in", "/in"} {
		text := "[[source]]\nname = \"a\"\npath = \"/in\"\n[[source]]\nname = \"b\"\npath = \"" + path + "\"\n"
		if _, err := load(t, text, nil, nil); err == nil || !strings.Contains(err.Error(), "which source a has") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
