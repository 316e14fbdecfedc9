package sdk

import (
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
		V: 1, Config: map[string]string{text: text}, State: json.RawMessage(`{"a":{},"body":1}`),
		Event: abi.Event{
			Key: text, CustomerReference: &text, Headers: map[string]string{header: text, "body": text}, Body: json.RawMessage(`-0e-0`),
			Withheld: []abi.Withheld{{Pointer: text}},
		},
	}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.Replace(string(b), `"body":-0e-0`, `"body":`+body, 1))
}

// same fails the test unless fromHost and Parse read a document alike.
func same(t *testing.T, document []byte) {
	t.Helper()
	want, werr := Parse(document)
	got, err := fromHost(document)
	if werr != nil {
		t.Fatalf("%s: %v", document, werr)
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, %v; want %+v", document, got, err, want)
	}
}

func TestADocumentOfTheHostIsReadAsByParse(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{}`, `[]`, `""`, `7`, `-1.5e3`, `true`, `null`, ` { "a" : [ 1 , "x" ] } `, `"\""`, `"\\"`, `"a\\\"]},\"withheld\":["`,
		`{"body":{"headers":{}},"a":"},\"body\":","b":[[{}],"\\\\"]}`, ` 12 `, `{"withheld":[],"event":{}}`,
	} {
		for _, text := range []string{"", `,"headers":{`, `"},"body":{`, `\`, `\"`, "é\u2028"} {
			document := hostDocument(t, text, text, body)
			same(t, document)
			if _, _, ok := cutBody(document); ok == (body == "null") {
				t.Errorf("%s: cut is %t", document, ok)
			}
		}
	}
	without := []byte(strings.Replace(string(hostDocument(t, "a", "b", "0")), `"body":0,`, "", 1))
	same(t, without)
	if _, err := fromHost([]byte(`{"v":2,"event":{"a":1,"headers":{},"body":{},"withheld":[]}}`)); err == nil {
		t.Error("a document of another version is read")
	}
}

func FuzzADocumentOfTheHostIsReadAsAnyOther(f *testing.F) {
	f.Add("a", "b", `{"a":["\"",{}]}`)
	f.Add(`,"headers":`, `,"body":`, `12`)
	f.Fuzz(func(t *testing.T, header, text, body string) {
		_, _, _ = cutBody([]byte(body)) // it must not panic on any text
		if json.Valid([]byte(body)) {
			same(t, hostDocument(t, header, text, body))
		}
	})
}
