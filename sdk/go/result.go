package sdk

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"inbox/sdk/abi"
)

// writer writes one JSON text without reflection.
type writer struct{ b []byte }

// encode encodes a result. The state, the bodies of events and the JSON bodies of requests are JSON already, and are copied.
func encode(r abi.Result) []byte {
	w := &writer{b: make([]byte, 0, 128+len(r.Reason)+len(r.State))}
	w.begin('{')
	w.text("outcome", r.Outcome)
	w.textIf("reason", r.Reason)
	w.textIf("retry_after", r.RetryAfter)
	w.rawIf("state", r.State)
	if len(r.Emit) > 0 {
		w.name("emit")
		w.begin('[')
		for i := range r.Emit {
			w.item()
			w.emission(&r.Emit[i])
		}
		w.end(']')
	}
	if len(r.HTTP) > 0 {
		w.name("http")
		w.begin('[')
		for i := range r.HTTP {
			w.item()
			w.request(&r.HTTP[i])
		}
		w.end(']')
	}
	w.end('}')
	return w.b
}

// encodeEmission encodes the entry of one event to emit.
func encodeEmission(e *abi.Emission) []byte {
	w := &writer{}
	w.emission(e)
	return w.b
}

func (w *writer) emission(e *abi.Emission) {
	w.begin('{')
	w.text("event", e.Event)
	w.textIf("event_type", e.EventType)
	w.textIf("key", e.Key)
	w.rawIf("body", e.Body)
	w.end('}')
}

func (w *writer) request(r *abi.Request) {
	w.begin('{')
	w.text("method", r.Method)
	w.text("url", r.URL)
	w.textsIf("headers", r.Headers)
	w.textsIf("secrets", r.Secrets)
	w.rawIf("body", r.Body)
	if len(r.BodyBase64) > 0 {
		w.name("body_base64")
		w.b = append(w.b, '"')
		w.b = base64.StdEncoding.AppendEncode(w.b, r.BodyBase64)
		w.b = append(w.b, '"')
	}
	if r.Raw {
		w.name("raw")
		w.b = append(w.b, "true"...)
	}
	if r.Sign != nil {
		w.name("sign")
		w.begin('{')
		w.text("scheme", r.Sign.Scheme)
		w.text("secret", r.Sign.Secret)
		w.end('}')
	}
	w.textIf("then", r.Then)
	w.end('}')
}

func (w *writer) begin(bracket byte) { w.b = append(w.b, bracket) }

func (w *writer) end(bracket byte) { w.b = append(w.b, bracket) }

// item begins an item of a list, or a member of an object, with a comma after the one before.
func (w *writer) item() {
	if n := len(w.b); n > 0 && w.b[n-1] != '{' && w.b[n-1] != '[' {
		w.b = append(w.b, ',')
	}
}

// name begins a member.
func (w *writer) name(name string) {
	w.item()
	w.string(name)
	w.b = append(w.b, ':')
}

func (w *writer) text(name, value string) {
	w.name(name)
	w.string(value)
}

// textIf writes a member unless its value is empty.
func (w *writer) textIf(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

// rawIf writes a member whose value is JSON, unless it is empty.
func (w *writer) rawIf(name string, value []byte) {
	if len(value) > 0 {
		w.name(name)
		w.b = append(w.b, value...)
	}
}

// textsIf writes an object of texts, in the order of their names, unless it is empty.
func (w *writer) textsIf(name string, texts map[string]string) {
	if len(texts) == 0 {
		return
	}
	w.name(name)
	w.begin('{')
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		w.text(key, texts[key])
	}
	w.end('}')
}

// string writes a text with its quotes. A byte that is not UTF-8 becomes U+FFFD.
func (w *writer) string(s string) {
	w.b = append(w.b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		w.b = append(w.b, s[from:i]...)
		w.escape(c)
		i += size
		from = i
	}
	w.b = append(append(w.b, s[from:]...), '"')
}

// escape writes a byte that may not be in a text as it is.
func (w *writer) escape(c byte) {
	switch {
	case c == '"' || c == '\\':
		w.b = append(w.b, '\\', c)
	case c == '\n':
		w.b = append(w.b, `\n`...)
	case c < ' ':
		w.b = append(w.b, `\u00`...)
		if c < 0x10 {
			w.b = append(w.b, '0')
		}
		w.b = strconv.AppendUint(w.b, uint64(c), 16)
	default:
		w.b = append(w.b, `\ufffd`...)
	}
}
