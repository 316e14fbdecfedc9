package sdk

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"inbox/sdk/abi"
)

// hostDocument returns a document with an undecoded body, as the host writes it.
func hostDocument(t testing.TB, header, text, body string) []byte {
	t.Helper()
	d := abi.Document{
		V: 1, Config: map[string]string{text: text}, State: json.RawMessage(`{"a":{},"body":1}`), StateVersion: 3,
		Event: abi.Event{
			Key: text, CustomerReference: &text, Headers: map[string]string{header: text, "body": text}, Body: json.RawMessage(`-0e-0`),
			Withheld: []abi.Withheld{{Pointer: text, Size: 9}},
		},
	}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.Replace(string(b), `"body":-0e-0`, `"body":`+body, 1))
}

// same fails the test unless readDocument and Parse read a document alike.
func same(t *testing.T, document []byte) {
	t.Helper()
	before := bytes.Clone(document)
	want, werr := Parse(document)
	got, err := readDocument(document)
	switch {
	case (werr == nil) != (err == nil):
		t.Errorf("%s: %v; by Parse: %v", document, err, werr)
	case err == nil && !reflect.DeepEqual(got, want):
		t.Errorf("%s: %+v; want %+v", document, got, want)
	case !bytes.Equal(document, before):
		t.Errorf("%s became %s", before, document)
	}
}

func TestADocumentOfTheHostIsReadAsByParse(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{}`, `[]`, `""`, `7`, `-1.5e3`, `true`, `null`, ` { "a" : [ 1 , "x" ] } `, `"\""`, `"\\"`, `"a\\\"]},\"withheld\":["`,
		`{"body":{"headers":{}},"a":"},\"body\":","b":[[{}],"\\\\"]}`, ` 12 `, `{"withheld":[],"event":{}}`,
	} {
		for _, text := range []string{"", `,"headers":{`, `"},"body":{`, `\`, `\"`, "é\u2028", "\x00\b\f\n\r\t", "\U0001F600", "a\xffb"} {
			same(t, hostDocument(t, text, text, body))
		}
	}
	same(t, []byte(strings.Replace(string(hostDocument(t, "a", "b", "0")), `"body":0,`, "", 1)))
	same(t, []byte(document))
}

func TestDocumentsOfOtherFormsAreReadAsByParse(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, ` `, `null`, `{}`, `[]`, `{"v":2}`, `{"v":"1"}`, `{"v":1.0}`, `{"v":1e0}`, `{"v":9223372036854775808}`, `{"v":-1}`, `{"v":1} x`, `{"v":1,}`,
		`{"v":1}`, ` { "v" : 1 } `, `{"more":[{"a":"]"}],"v":1,"event":{"more":null,"id":"x"}}`, `{"v":1,"event":null,"delivery":null,"config":null,"state":null}`,
		`{"v":1,"event":[]}`, `{"v":1,"event":{"id":7}}`, `{"v":1,"event":{"id":null,"late":null,"seq":null,"headers":null,"withheld":null,"body_base64":null,"status":null}}`,
		`{"v":1,"event":{"late":"true"}}`, `{"v":1,"event":{"late":true,"duplicate_hint":false}}`, `{"v":1,"event":{"body_base64":"/wA="}}`, `{"v":1,"event":{"body_base64":"?"}}`,
		`{"v":1,"event":{"withheld":{}}}`, `{"v":1,"event":{"withheld":[]}}`, `{"v":1,"event":{"withheld":[null,{"ptr":"/a","size":2,"more":1}]}}`,
		`{"v":1,"event":{"id":"\ud83d\ude00\ud83d\u0041\udc00\u00e9\/\b\f"}}`, `{"v":1,"event":{"id":"\x"}}`, `{"v":1,"event":{"id":"\u12g4"}}`, `{"v":1,"event":{"id":"`,
		`{"v":1,"event":{"id":"\`, `{"v":1,"event":{"id":"\ud83d\u`, `{"v":1,"config":{"a":1}}`, `{"v":1,"config":{"a":null}}`, `{"v":1,"state":`,
		`{"v":1,"state":[`, `{"v":1 "state":1}`, `{v:1}`, `{"v"1}`, `{"v":tru}`, `{"v":1,"delivery":{"replay":true,"run":2,"attempt":3,"seq":4,"now":"n","id":"i"}}`,
	} {
		same(t, []byte(text))
	}
}

// plain reports whether a JSON text has no name twice in an object, and none that differs from a name of the contract by case alone.
// encoding/json takes the latter for the name, and merges the values of the former; no host writes either.
func plain(text []byte) bool {
	known := map[string]bool{}
	for _, v := range []any{abi.Document{}, abi.Delivery{}, abi.Event{}, abi.Withheld{}} {
		for i := range reflect.TypeOf(v).NumField() {
			name, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ",")
			known[name] = true
		}
	}
	return plainValue(json.NewDecoder(bytes.NewReader(text)), known)
}

func plainValue(dec *json.Decoder, known map[string]bool) bool {
	token, err := dec.Token()
	seen := map[string]bool{}
	switch token {
	case json.Delim('{'):
		for dec.More() {
			name, _ := dec.Token()
			text, _ := name.(string)
			folded := strings.ToLower(strings.ToUpper(text))
			if seen[folded] || known[folded] && folded != text || !plainValue(dec, known) {
				return false
			}
			seen[folded] = true
		}
		_, err = dec.Token()
	case json.Delim('['):
		for dec.More() {
			if !plainValue(dec, known) {
				return false
			}
		}
		_, err = dec.Token()
	}
	return err == nil
}

func FuzzADocumentIsReadAsByParse(f *testing.F) {
	f.Add([]byte(document))
	f.Add(hostDocument(f, "a", "\u2028\"", `{"a":["\"",{}]}`))
	f.Add([]byte(`{"v":1,"event":{"body_base64":"/wA=","withheld":[{"ptr":"/a","size":2}]},"config":{"a":"\ud83d\ude00"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if json.Valid(text) && plain(text) {
			same(t, text)
			return
		}
		_, _ = readDocument(text) // it must not panic on any text
	})
}

func FuzzADocumentOfTheHostIsReadAsAnyOther(f *testing.F) {
	f.Add("a", "b", `{"a":["\"",{}]}`)
	f.Add(`,"headers":`, `,"body":`, `12`)
	f.Fuzz(func(t *testing.T, header, text, body string) {
		if json.Valid([]byte(body)) && header != "body" {
			same(t, hostDocument(t, header, text, body))
		}
	})
}

// The body of an event is the plugin's own: a change of it changes no text of the event.
func TestABodyIsPartOfNoText(t *testing.T) {
	t.Parallel()
	e, err := readDocument(hostDocument(t, "h", "text", `{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	e.Body = append(e.Body, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"...)
	clear(e.Body)
	e.state = append(e.state, "xxxxxxxxxxx"...)
	if e.Key != "text" || e.Config["text"] != "text" || e.Withheld[0].Pointer != "text" || string(e.state[:17]) != `{"a":{},"body":1}` {
		t.Errorf("%+v", e)
	}
}
