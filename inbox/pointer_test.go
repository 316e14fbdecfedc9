package inbox_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"inbox/inbox"
)

// decoded looks a scalar up in a decoded body.
func decoded(doc any, pointer string) (string, bool) {
	if pointer != "" {
		if pointer[0] != '/' {
			return "", false
		}
		for token := range strings.SplitSeq(pointer[1:], "/") {
			switch v := doc.(type) {
			case map[string]any:
				doc = v[strings.NewReplacer("~1", "/", "~0", "~").Replace(token)]
			case []any:
				i, err := strconv.Atoi(token)
				if err != nil || i < 0 || i >= len(v) || strconv.Itoa(i) != token {
					return "", false
				}
				doc = v[i]
			default:
				return "", false
			}
		}
	}
	switch v := doc.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

func FuzzScalars(f *testing.F) {
	for _, body := range []string{`{"a":{"b":1.0}}`, `{"a":["x",{"b":"\u00e9\ud800"}],"a":{"b":true}}`, "{\"a\":\"\xff\",\"b\":\"\\n\xff\"}", `{"":"e"} x`, `[[["d"]]]`, ` "s" `} {
		for _, pointer := range []string{"", "/a", "/a/b", "/a/1/b", "/0/0/0", "/b", "a", "/"} {
			f.Add([]byte(body), pointer)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, pointer string) {
		got, ok := inbox.Scalars(body).Text(pointer)
		text := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
		if !json.Valid(text) {
			if ok {
				t.Errorf("%q is not JSON, and has %q at %q", body, got, pointer)
			}
			return
		}
		if !utf8.ValidString(pointer) || !utf8.Valid(body) && strings.Count(pointer, "/") > 0 && bytes.ContainsAny(body, ":") {
			return // a name that is not UTF-8 is not found under what it would be decoded to
		}
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		var doc any
		if err := dec.Decode(&doc); err != nil {
			t.Fatal(err)
		}
		if want, there := decoded(doc, pointer); got != want || ok != there {
			t.Errorf("%q at %q: %q, %v; want %q, %v", body, pointer, got, ok, want, there)
		}
	})
}

func BenchmarkScalars(b *testing.B) {
	for name, photo := range map[string]int{"1KB": 1 << 10, "5MB": 5 << 20} {
		b.Run(name, func(b *testing.B) {
			body := []byte(`{"data":{"photo":"` + strings.Repeat("A", photo) + `","status":{"status":"VERIFIED"}}}`)
			b.ReportAllocs()
			for b.Loop() {
				if got, ok := inbox.Scalars(body).Text("/data/status/status"); !ok || got != "VERIFIED" {
					b.Fatal(got)
				}
			}
		})
	}
}
