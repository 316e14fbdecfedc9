package rawjson_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"inbox/inbox/rawjson"
)

// texts are JSON, and texts that only look like it.
var texts = []string{
	``, ` `, `{}`, `[]`, `""`, `0`, `-0`, `1.5e+3`, `1E-2`, `true`, `false`, `null`, ` { "a" : [ 1 , 2 ] } `, `{"a":{"b":[{}]}}`,
	`"\u00e9\ud83d\ude00\\\"\/\b\f\n\r\t"`, "\"\xff\xfe\"", "\"a\tb\"", "\"\x00\"", `"\x"`, `"\u12g4"`, `"\u123"`, `"\uD800"`, `"\u00"`, `"\`, `"abc`,
	`01`, `-`, `1.`, `.5`, `1e`, `1e+`, `+1`, `--1`, `0x1`, `tru`, `nulL`, `TRUE`, `truex`, `{`, `}`, `[`, `]`, `[1,]`, `{"a":1,}`, `{,}`, `[,]`,
	`{"a"}`, `{"a":}`, `{"a" 1}`, `{a:1}`, `{1:1}`, `[1 2]`, `[1}`, `{"a":1]`, `{} {}`, `1 2`, `"a" "b"`, "\x00", "[1]\x00", "\u00a0{}",
	`{"a":1,"a":2}`, `{"":0}`, `{"a":"}","b":"]\""}`, `{"12345678":"123456789012345\u0041","k":"1234567\\"}`,
	`{"a/b":{"c~d":[10,20,30]}}`, `{"a":[1,2],"a":[3]}`, `{"a":{"b":1},"a":{"c":2}}`, `"` + "\x7f" + `é"`,
	strings.Repeat("[", 10000) + strings.Repeat("]", 10000), strings.Repeat("[", 10001) + strings.Repeat("]", 10001),
	strings.Repeat(`{"a":`, 10001) + `1` + strings.Repeat("}", 10001),
}

func TestValidAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, text := range texts {
		if got, want := rawjson.Valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("%.60q: %v, encoding/json says %v", text, got, want)
		}
	}
}

// Strings are read many bytes at a time. The end of a string must be found at every position.
func TestASpecialCharacterIsFoundAtEveryPosition(t *testing.T) {
	t.Parallel()
	for _, special := range []string{`"`, `"x`, `\n`, `\x`, "\x1f", "\x00", "\x20", "\x21", "\x23", "\x5b", "\x5d", "\x7f", "\x80", "\xa2", "\xdc", "\xff"} {
		for before := range 80 {
			for _, after := range []int{0, 1, 40} {
				text := []byte(`"` + strings.Repeat("a", before) + special + strings.Repeat("b", after) + `"`)
				if got, want := rawjson.Valid(text), json.Valid(text); got != want {
					t.Fatalf("%q: %v, encoding/json says %v", text, got, want)
				}
			}
		}
	}
}

func FuzzValid(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, want := rawjson.Valid(text), json.Valid(text); got != want {
			t.Errorf("%q: %v, encoding/json says %v", text, got, want)
		}
	})
}

// find returns the raw value at a pointer.
func find(text []byte, pointer string) ([]byte, bool) {
	at, ok := rawjson.Find(text, pointer)
	return at.Of(text), ok
}

func TestAValueIsFoundAtItsPointer(t *testing.T) {
	t.Parallel()
	const doc = ` {"a/b":{"c~d":[10, {"x":"y"} ,30]},"e":1,"e":[ ],"\u0065":{"f":null},"":7} `
	for pointer, want := range map[string]string{
		"": strings.TrimSpace(doc), "/a~1b/c~0d/0": "10", "/a~1b/c~0d/1": `{"x":"y"}`, "/a~1b/c~0d/1/x": `"y"`, "/a~1b/c~0d/2": "30",
		"/e/f": "null", "/": "7",
	} {
		if got, ok := find([]byte(doc), pointer); !ok || string(got) != want {
			t.Errorf("%s: %s, %v", pointer, got, ok)
		}
	}
	for _, pointer := range []string{"e", "/x", "/a~1b/c~0d/3", "/a~1b/c~0d/01", "/a~1b/c~0d/-1", "/a~1b/c~0d/x", "/e/f/g", "/a/b"} {
		if got, ok := find([]byte(doc), pointer); ok {
			t.Errorf("%s: %s", pointer, got)
		}
	}
}

func TestMembersAreYieldedInOrderUntilTheLoopBreaks(t *testing.T) {
	t.Parallel()
	var got []string
	text := []byte(`{"a" : 1, "\u0062":[2] ,"a":"3","z":0}`)
	for name, value := range rawjson.Members(text) {
		if string(name) == "z" {
			break
		}
		got = append(got, string(name)+"="+string(value.Of(text)))
	}
	if want := `a=1 b=[2] a="3"`; strings.Join(got, " ") != want {
		t.Errorf("%q", got)
	}
}

func TestWalkingOverACutTextEnds(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`["b`, `["b\"`, `[{"a":[`, `[1`} {
		if raw, ok := find([]byte(text), "/0"); !ok || string(raw) != text[1:] {
			t.Errorf("%s: %q, %v", text, raw, ok)
		}
	}
	whole := []byte(`{"a\u00e9\n":["\ud83d\ude00"],"b\\":{}}`)
	for end := range whole {
		_, _ = find(whole[:end], "/b/x")
	}
}

func FuzzFind(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text), "/a/b")
		f.Add([]byte(text), "/a")
	}
	f.Fuzz(func(t *testing.T, text []byte, pointer string) {
		if !json.Valid(text) || !utf8.Valid(text) {
			return
		}
		raw, ok := find(text, pointer)
		if ok && !json.Valid(raw) {
			t.Errorf("%q at %q: %q", text, pointer, raw)
		}
		var members map[string]json.RawMessage
		if name, simple := strings.CutPrefix(pointer, "/"); simple && !strings.ContainsAny(name, "/~") && json.Unmarshal(text, &members) == nil {
			if want, there := members[name]; there != ok || string(want) != string(raw) {
				t.Errorf("%q at %q: %q, %v; want %q, %v", text, pointer, raw, ok, want, there)
			}
		}
	})
}
