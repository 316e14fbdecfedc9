package egress_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/egress"
)

func TestAServerThatRepeatsASecretGetsItMaskedInTheResponse(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "for "+r.Header.Get("Authorization"))
		w.WriteHeader(401)
		_, _ = io.WriteString(w, `{"error":"bad token `+r.Header.Get("Authorization")+` and short `+r.Header.Get("X-Short")+`"}`)
	})
	opt := egress.Options{Secret: vault(t, url, "token", token, "short", "abc")}
	call := get(url)
	call.Request.Secrets = map[string]string{"Authorization": "Bearer {{secret.token}}", "X-Short": "{{secret.short}}"}
	r := do(t, client(t, opt, url), call)
	if string(r.Body) != `{"error":"bad token Bearer [secret token] and short abc"}` || inbox.HeaderValue(r.Headers, "x-request-id") != "for Bearer [secret token]" {
		t.Errorf("%s %v", r.Body, r.Headers)
	}
	// The limit may lie anywhere in the secret.
	whole := len(`{"error":"bad token Bearer ` + token + ` and short abc"}`)
	for limit := range whole {
		opt.Limits.ResponseBody = int64(limit + 1)
		r := do(t, client(t, opt, url), call)
		if strings.Contains(string(r.Body), token[:4]) || r.Cut != (limit+1 < whole) || len(r.Body) > limit+1 {
			t.Fatalf("limit %d: %q, cut %v", limit+1, r.Body, r.Cut)
		}
	}
}

func TestASecretIsMaskedInEveryUsualEncoding(t *testing.T) {
	t.Parallel()
	const secret = `s/e+c?r "et'<&é`
	forms := map[string]string{
		"as it is": secret, "JSON": `s/e+c?r \"et'\u003c\u0026é`, "HTML": html.EscapeString(secret), "a query": url.QueryEscape(secret), "a path": url.PathEscape(secret),
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "base64 for urls": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"hex": hex.EncodeToString([]byte(secret)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))),
	}
	to, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "before "+forms[r.URL.Query().Get("form")]+" after")
	})
	opt := egress.Options{Secret: vault(t, to, "token", secret)}
	for form := range forms {
		call := get(to + "/?form=" + url.QueryEscape(form))
		call.Request.Secrets = map[string]string{"X-Token": "{{secret.token}}"}
		if r := do(t, client(t, opt, to), call); string(r.Body) != "before [secret token] after" {
			t.Errorf("%s: %s", form, r.Body)
		}
	}
}

// withToken returns a GET that sends the secret token in the header X-Token.
func withToken(to string) egress.Call {
	call := get(to)
	call.Request.Secrets = map[string]string{"X-Token": "{{secret.token}}"}
	return call
}

func TestASecretThatARedirectCarriedToAnotherServerIsMasked(t *testing.T) {
	t.Parallel()
	away, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Query().Get("t")) })
	home, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { to(302, away+"/?t="+r.Header.Get("X-Token"))(w, r) })
	c := follower(t, egress.Options{Secret: vault(t, home, "token", token)}, home, away)
	if r := do(t, c, withToken(home)); string(r.Body) != "[secret token]" {
		t.Errorf("stored after a redirect: %q", r.Body)
	}
	refused, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		to(302, "http://"+strings.ToUpper(r.Header.Get("X-Token"))+".example.com/")(w, r)
	})
	c = follower(t, egress.Options{Secret: vault(t, refused, "token", token)}, refused)
	fails(t, c, withToken(refused), inbox.Forbidden, egress.ErrRedirect, "[secret token].example.com")
}

func TestNoPartOfASecretIsInACutResponse(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat(r.Header.Get("X-Token"), 100))
	})
	for limit := int64(20); limit < 400; limit++ {
		opt := egress.Options{Secret: vault(t, url, "token", token)}
		opt.Limits.ResponseBody = limit
		if r := do(t, client(t, opt, url), withToken(url)); strings.Contains(string(r.Body), token[:4]) || !r.Cut {
			t.Fatalf("limit %d: stored %q, cut %v", limit, r.Body, r.Cut)
		}
	}
}

func TestASecretInBase64IsMaskedWhateverIsBeforeAndAfterIt(t *testing.T) {
	t.Parallel()
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding} {
		for _, secret := range []string{token, "\xffb>?o~>>??operator"} {
			mask := egress.MaskOf("token", secret)
			for before := range 7 {
				for after := range 7 {
					text := encoding.EncodeToString([]byte("Bearer"[:before%7] + secret + "-after"[:after]))
					got := mask("x:" + text + ":x")
					left := strings.Trim(strings.Replace(got, "[secret token]", "", 1), "x:=")
					if !strings.Contains(got, "[secret token]") || len(left) > len(text)-len(secret)*4/3 {
						t.Errorf("%d bytes, the secret, %d bytes: %s became %s", before, after, text, got)
					}
				}
			}
		}
	}
}

func TestACompressedResponseToARequestWithSecretsIsNotKept(t *testing.T) {
	t.Parallel()
	url, count := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "anything")
	})
	c := client(t, egress.Options{Secret: vault(t, url, "token", token)}, url)
	if r := do(t, c, withToken(url)); len(r.Body) > 0 || !r.Cut {
		t.Errorf("kept: %q, cut %v", r.Body, r.Cut)
	}
	if r := do(t, c, get(url)); string(r.Body) != "anything" {
		t.Errorf("without secrets: %q", r.Body)
	}
	call := withToken(url)
	call.Request.Headers = []inbox.Header{{Name: "accept-encoding", Value: "gzip"}}
	fails(t, c, call, inbox.Forbidden, egress.ErrHeader, "Accept-Encoding")
	if count() != 2 {
		t.Errorf("%d requests", count())
	}
}

// FuzzMask escapes some characters of a secret, in a way that the fuzzer chooses, and looks whether the text is masked.
func FuzzMask(f *testing.F) {
	f.Add("tok3n-of-the-operator", []byte{0, 1, 2, 3, 4, 5, 6, 7}, "before ", " after")
	f.Add(`x\\\\x`, []byte{7}, `\\`, "")
	f.Add("%25%25%25%25", []byte{2, 0}, "%", "25")
	f.Add("é \t<&>'\"/=+", []byte{6, 5, 3}, "&", ";")
	f.Fuzz(func(t *testing.T, secret string, ways []byte, before, after string) {
		if len(secret) < 8 || len(secret) > 100 || len(ways) == 0 || strings.Count(secret, `\`) > 8 || len(before+after) > 1000 || strings.Contains(before+after, "[") {
			return
		}
		var b strings.Builder
		for i, r := range secret {
			b.WriteString(escaped(r, secret[i:], ways[i%len(ways)]))
		}
		got := egress.MaskOf("token", secret)(before + b.String() + after)
		if !strings.Contains(got, "[secret token]") {
			t.Errorf("%q, written %q, was not masked in %q", secret, b.String(), got)
		}
	})
}

// escaped returns a character of a text in one of the ways in which servers write it.
func escaped(r rune, text string, way byte) string {
	char := string(r)
	if !strings.HasPrefix(text, char) { // an invalid byte
		return text[:1]
	}
	switch way % 8 {
	case 1:
		return url.QueryEscape(char)
	case 2:
		return strings.ToLower(url.PathEscape(char))
	case 3:
		if r <= 0xffff {
			return fmt.Sprintf("\\u%04x", r)
		}
	case 4:
		if r < 0x10000 {
			return fmt.Sprintf("&#x%X;", r)
		}
	case 5:
		return html.EscapeString(char)
	case 6:
		if r < 0x80 {
			return strings.ToUpper(char)
		}
	case 7:
		if strings.ContainsRune(`/"\'`, r) {
			return "\\" + char
		}
	}
	return char
}

func BenchmarkMask(b *testing.B) {
	mask := egress.MaskOf("token", token)
	for name, text := range map[string]string{
		"plain": strings.Repeat(`{"name":"value of a field","list":[1,2,3]}`, 25_000), "percent": strings.Repeat("%74%6f%", 150_000), "nearly": strings.Repeat(token[:20], 50_000),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				mask(text)
			}
		})
	}
}
