package document

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox/rawjson"
)

// list reads pointers as the tests write them: "root" is the empty pointer, and "all" is nil.
func list(pointers string) []string {
	if pointers == "all" {
		return nil
	}
	list := strings.Fields(pointers)
	for i, p := range list {
		if p == "root" {
			list[i] = ""
		}
	}
	return append([]string{}, list...)
}

func TestADocumentShowsTheGrantedPartOfABody(t *testing.T) {
	t.Parallel()
	long, longer := strings.Repeat("A", 20), strings.Repeat("B", 30)
	const most = 10
	deep := strings.Repeat(`{"a":`, 9999) + `"` + long + `"` + strings.Repeat("}", 9999)
	for name, c := range map[string]struct{ body, fields, want, left string }{
		"all of a small body":              {` {"a" : 1.0 } `, "all", ` {"a" : 1.0 } `, ""},
		"all is also the empty pointer":    {` {"a":"` + long + `"} `, "/b root", ` {"a":null} `, "/a"},
		"nothing":                          {`{"a":1,"b":{"c":2}}`, "", `{}`, ""},
		"nothing of an array":              {` [1,2]`, "", `[]`, ""},
		"nothing of a text":                {`"secret"`, "", `null`, ""},
		"one of many":                      {`{"data":{"id":1,"x":2},"y":3}`, "/data/id", `{"data":{"id":1}}`, ""},
		"spelling stays":                   {`{ "\u0064ata" : {"id" : 1.50E+1 , "x":[ ] } }`, "/data/id /data/x", `{"\u0064ata":{"id":1.50E+1,"x":[ ]}}`, ""},
		"numbers stay":                     {`{"n":12345678901234567890.10,"m":-0}`, "/n", `{"n":12345678901234567890.10}`, ""},
		"not there":                        {`{"data":{"x":2}}`, "/data/id /other/deep", `{"data":{}}`, ""},
		"something else is on the way":     {`{"data":"secret","other":[1,{"s":2}]}`, "/data/id /other/id", `{"data":null,"other":[]}`, ""},
		"the wider of two pointers":        {`{"data":{"id":1,"x":2}}`, "/data/id /data /data/x", `{"data":{"id":1,"x":2}}`, ""},
		"an element":                       {`[1,2,{"a":3,"b":4},5]`, "/2/a", `[null,null,{"a":3}]`, ""},
		"two elements":                     {`{"l":[1, 2 ,3,4]}`, "/l/1 /l/3", `{"l":[null,2,null,4]}`, ""},
		"an element that is not there":     {`{"l":[1,2]}`, "/l/7 /l/01 /l/-", `{"l":[]}`, ""},
		"an index as a name":               {`{"0":1,"1":2}`, "/0", `{"0":1}`, ""},
		"escaped names":                    {`{"a/b":1,"c~d":2,"~1":3,"":4,"e":5}`, "/a~1b /c~0d /~01 /", `{"a/b":1,"c~d":2,"~1":3,"":4}`, ""},
		"names are told apart by case":     {`{"Id":1,"id":2}`, "/id", `{"id":2}`, ""},
		"the same name twice":              {`{"id":1,"x":0,"id":2}`, "/id", `{"id":1,"id":2}`, ""},
		"the last of a name has less":      {`{"d":{"id":1},"d":{"x":2}}`, "/d/id", `{"d":{"id":1},"d":{}}`, ""},
		"the last of a name is a text":     {`{"d":{"id":1},"d":"x"}`, "/d/id", `{"d":{"id":1},"d":null}`, ""},
		"a long text":                      {`{ "p" : "` + long + `" , "q":"short"}`, "all", `{ "p" : null , "q":"short"}`, "/p"},
		"a long text on its own":           {` "` + long + `" `, "all", ` null `, "root"},
		"long texts in what is granted":    {`{"d":{"l":["` + long + `",{"p":"` + longer + `"}],"x":"` + long + `"},"y":"` + long + `"}`, "/d/l", `{"d":{"l":[null,{"p":null}]}}`, "/d/l/0 /d/l/1/p"},
		"a long text that is not granted":  {`{"a":1,"p":"` + long + `"}`, "/a", `{"a":1}`, ""},
		"long names and numbers":           {`{"` + long + `":` + strings.Repeat("1", 20) + `}`, "all", `{"` + long + `":` + strings.Repeat("1", 20) + `}`, ""},
		"as long as may be":                {`{"p":"0123456789","q":"01234567890"}`, "all", `{"p":"0123456789","q":null}`, "/q"},
		"escapes count as what they say":   {`{"p":"` + strings.Repeat(`\u0041`, 10) + `","q":"` + strings.Repeat(`\/`, 11) + `"}`, "all", `{"p":"` + strings.Repeat(`\u0041`, 10) + `","q":null}`, "/q"},
		"a text before one of its name":    {`{"p":"` + long + `","p":"short"}`, "all", `{"p":null,"p":"short"}`, ""},
		"a text after one of its name":     {`{"p":"short","\u0070":"` + long + `"}`, "/p", `{"p":"short","\u0070":null}`, "/p"},
		"two texts of one name":            {`{"p":"` + long + `","x":"` + long + `","p":"` + longer + `"}`, "all", `{"p":null,"x":null,"p":null}`, "/x /p"},
		"texts within one of its name":     {`{"p":{"q":["` + long + `"],"q":1,"r":"` + long + `"},"p":{"r":0},"s":"` + long + `"}`, "all", `{"p":{"q":[null],"q":1,"r":null},"p":{"r":0},"s":null}`, "/s"},
		"a name longer than its text":      {`{"` + longer + `":"` + long + `","p":"` + long + `"}`, "all", `{"` + longer + `":"` + long + `","p":null}`, "/p"},
		"a way longer than its text":       {deep, "all", deep, ""},
		"an escaped name of a long text":   {`{"a/~":"` + long + `"}`, "all", `{"a/~":null}`, "/a~1~0"},
		"not deeper than what is granted":  {deep, "/a/a/b", `{"a":{"a":{}}}`, ""},
		"a list in a list":                 {`[[1,[2,"` + long + `"]],3]`, "/0/1", `[[null,[2,null]]]`, "/0/1/1"},
		"what is not a pointer is nothing": {`{"id":1}`, "id", `{}`, ""},
	} {
		shown, left := narrow([]byte(c.body), newGrant(list(c.fields)), most)
		if string(shown) != c.want {
			t.Errorf("%s: %.200s, want %.200s", name, shown, c.want)
		}
		pointers := []string{}
		for _, w := range left {
			pointers = append(pointers, w.pointer)
			if got := string(rawjson.Unquote(w.raw)); len(got) != w.size || w.size <= most || !strings.Contains(c.body, got) && !strings.HasPrefix(got, "///") {
				t.Errorf("%s: %s of %d bytes is %.50q", name, w.pointer, w.size, got)
			}
		}
		if diff := cmp.Diff(list(c.left), pointers); diff != "" {
			t.Errorf("%s: what is left out:\n%s", name, diff)
		}
	}
}

// seen is a slow model of narrow. From a decoded body it makes the value that a plugin must find in the document, by comparing
// whole pointers, and collects the texts that must be left out.
type seen struct {
	fields [][]string
	all    bool
	most   int
	texts  map[string]string
}

// on reports whether a place is granted, or contains or lies in a granted one.
func (s *seen) on(path []string) (all, way bool) {
	for _, f := range s.fields {
		n := min(len(f), len(path))
		if slices.Equal(f[:n], path[:n]) {
			all, way = all || n == len(f), true
		}
	}
	return all || s.all, way
}

func (s *seen) of(v any, path []string) any {
	all, _ := s.on(path)
	in := func(token string) ([]string, bool) {
		inner := append(path[:len(path):len(path)], token)
		all, way := s.on(inner)
		return inner, all || way
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			if inner, ok := in(name); ok {
				out[name] = s.of(member, inner)
			}
		}
		return out
	case []any:
		out := []any{}
		for i, element := range v {
			if inner, ok := in(strconv.Itoa(i)); ok {
				for len(out) < i {
					out = append(out, nil)
				}
				out = append(out, s.of(element, inner))
			}
		}
		return out
	case string:
		if pointer := s.pointer(path); all && len(v) > s.most && len(pointer) <= len(v) {
			s.texts[pointer] = v
			return nil
		}
	}
	if !all {
		return nil
	}
	return v
}

func (s *seen) pointer(path []string) string {
	var b strings.Builder
	for _, token := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
	}
	return b.String()
}

func decode(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

func FuzzNarrow(f *testing.F) {
	long := strings.Repeat("x", 9)
	for _, body := range []string{
		`{}`, `[]`, `null`, `"` + long + `"`, ` {"a":{"b":[1,{"c":"` + long + `"},"` + long + `"]},"d":"\ud83d\ude00\u0041\ud800\n"} `,
		`{"a":"` + long + `","\u0061":"s","b":{"c":"` + long + `"},"b":{"c":1}}`, `[[["` + long + `"],"` + long + `"],{"":{"~/":"` + long + `"}}]`,
		`{"a":{"a":{"a":"` + long + `","a":1},"a":"` + long + `"},"a":{"a":"` + long + `"}}`, `{"12345678901":"` + long + `"}`,
	} {
		for _, fields := range []string{"all", "none", "/a", "/a/b/1\n/b", "/0/1\n//~0~1", "\n/a", "/a/a", "0"} {
			f.Add([]byte(body), fields, uint8(4))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, fields string, most uint8) {
		if len(body) > 10_000 || !utf8.Valid(body) || !json.Valid(body) || !utf8.ValidString(fields) {
			return
		}
		var pointers []string
		if fields != "all" {
			pointers = []string{}
		}
		model := seen{all: pointers == nil, most: int(most), texts: map[string]string{}}
		for pointer := range strings.SplitSeq(fields, "\n") {
			if path, ok := rawjson.Tokens(pointer); ok && pointers != nil {
				pointers = append(pointers, pointer)
				model.fields = append(model.fields, path)
			}
		}
		before := bytes.Clone(body)
		shown, left := narrow(body, newGrant(pointers), int64(most))
		if !bytes.Equal(body, before) {
			t.Fatal("it changed the body")
		}
		if !json.Valid(shown) {
			t.Fatalf("%q at %q: %q is not JSON", body, pointers, shown)
		}
		want := model.of(decode(t, body), nil)
		if got := decode(t, shown); !reflect.DeepEqual(got, want) {
			t.Errorf("%q at %q: %q", body, pointers, shown)
		}
		texts := map[string]string{}
		for _, w := range left {
			texts[w.pointer] = string(rawjson.Unquote(w.raw))
			if len(texts[w.pointer]) != w.size {
				t.Errorf("%q: %s has %d bytes, not %d", body, w.pointer, len(texts[w.pointer]), w.size)
			}
		}
		if len(texts) != len(left) || !reflect.DeepEqual(texts, model.texts) {
			t.Errorf("%q at %q: left out %v, want %v", body, pointers, texts, model.texts)
		}
	})
}
