package egress_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/egress"
)

// vault returns secrets, named and valued in turn, that are granted for one origin.
func vault(t *testing.T, url string, pairs ...string) func(string) (egress.Secret, bool) {
	t.Helper()
	all := map[string]egress.Secret{}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = egress.NewSecret(pairs[i], pairs[i+1], []egress.Origin{origin(t, url)})
	}
	return func(name string) (egress.Secret, bool) { s, ok := all[name]; return s, ok }
}

const (
	token    = "tok3n-of-the-operator"
	password = "pa55word-of-the-operator"
)

func TestSecretsAreExpandedInTheirHeadersAndNowhereElse(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	})
	c := client(t, egress.Options{Secret: vault(t, url, "token", token, "pass.word", password)}, url)
	const literal = "{{secret.token}}"
	call := post(url+"/%7B%7Bsecret.token%7D%7D?q={{secret.token}}", literal, inbox.Header{Name: "X-Plain", Value: literal})
	call.Request.Secrets = map[string]string{"authorization": "Bearer {{secret.token}}", "X-Both": "{{secret.token}}:{{secret.pass.word}}!"}
	do(t, c, call)
	if got.Header.Get("Authorization") != "Bearer "+token || got.Header.Get("X-Both") != token+":"+password+"!" {
		t.Error(got.Header)
	}
	if got.Header.Get("X-Plain") != literal || string(body) != literal || strings.Contains(got.RequestURI, token) {
		t.Errorf("%v %s %s", got.Header, body, got.RequestURI)
	}
}

func TestASecretIsDeniedByItsNameAndNeverByItsValue(t *testing.T) {
	t.Parallel()
	url, count := serve(t, answer(""))
	const elsewhere = "http://localhost:9000"
	c := client(t, egress.Options{Secret: vault(t, url, "token", token, "empty", "")}, url, elsewhere)
	with := func(to, template string) egress.Call {
		call := get(to)
		call.Request.Secrets = map[string]string{"X-Key": template}
		return call
	}
	fails(t, c, with(url, "{{secret.other}}"), inbox.Forbidden, egress.ErrSecret, "other is not granted to this plugin")
	fails(t, c, with(elsewhere, "{{secret.token}}"), inbox.Forbidden, egress.ErrSecret, "token is not granted for "+elsewhere)
	fails(t, c, with(url, "{{secret.empty}}"), inbox.Unavailable, nil, "secret empty is empty")
	fails(t, client(t, egress.Options{}, url), with(url, "{{secret.token}}"), inbox.Forbidden, egress.ErrSecret, "token")
	for _, template := range []string{
		"plain " + password, "{{secret.token " + password, "{{ secret.token }}" + password, "{{config.x}}" + password, "{{secret.}}" + password,
		"{{secret.a b}}" + password, "{{}}", "{{secret.token}} {{" + password, "{{secret." + strings.Repeat("x", 65) + "}}", "",
	} {
		if err := fails(t, c, with(url, template), inbox.Invalid, nil, "X-Key"); strings.Contains(err.Error(), password) {
			t.Errorf("%v shows the template", err)
		}
	}
	if count() != 0 {
		t.Errorf("%d requests", count())
	}
}

func TestASecretShowsItsNameHoweverItIsPrinted(t *testing.T) {
	t.Parallel()
	s := egress.NewSecret("token", token, nil)
	type nested struct {
		Open   egress.Secret
		closed egress.Secret
		in     []egress.Secret
		by     map[string]*egress.Secret
		any    any
	}
	c := client(t, egress.Options{Secret: func(string) (egress.Secret, bool) { return s, true }}, "http://localhost:9000")
	n := nested{s, s, []egress.Secret{s}, map[string]*egress.Secret{"a": &s}, s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T", "%c", "%e", "%o", "%U", "%b"} {
		for _, v := range []any{s, &s, n, &n, []any{s, &s}, n.in, n.by, c, egress.Options{Secret: func(string) (egress.Secret, bool) { return s, true }}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "s", s, "p", &s, "n", n, "in", n.in, "group", slog.GroupValue(slog.Any("s", s)))
	}
	text, err := json.Marshal(map[string]any{"s": s, "p": &s, "n": n})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	fmt.Fprint(&out, s, fmt.Errorf("%w %v", io.EOF, s))
	for _, form := range []string{token, hex.EncodeToString([]byte(token)), strings.ToUpper(hex.EncodeToString([]byte(token))), base64.StdEncoding.EncodeToString([]byte(token))} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the output has %q", form)
		}
	}
	if s.String() != "[secret token]" || !strings.Contains(string(text), `"[secret token]"`) {
		t.Errorf("%s %s", s, text)
	}
}

func TestASecretIsReadAgainForEachRequest(t *testing.T) {
	t.Parallel()
	var got string
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("X-Key") })
	n := 0
	c := client(t, egress.Options{Secret: func(name string) (egress.Secret, bool) {
		n++
		return egress.NewSecret(name, fmt.Sprint("value-", n), []egress.Origin{origin(t, url)}), true
	}}, url)
	call := get(url)
	call.Request.Secrets = map[string]string{"X-Key": "{{secret.token}}"}
	for _, want := range []string{"value-1", "value-2"} {
		if do(t, c, call); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
