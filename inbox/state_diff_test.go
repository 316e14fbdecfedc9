package inbox_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
)

func steps(names ...string) (list []inbox.PointerStep) {
	for _, name := range names {
		list = append(list, inbox.PointerStep{Token: name})
	}
	return list
}

func element(index string) []inbox.PointerStep {
	return []inbox.PointerStep{{Token: index, Element: true}}
}

func TestADiffListsTheAddedRemovedAndChangedValues(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after string
		want          []inbox.ValueChange
	}{
		"equal":                      {`{"a":1,"b":[true]}`, `{"b":[true],"a":1}`, nil},
		"one number in two forms":    {`{"a":1.0,"b":100}`, `{"a":1,"b":1e2}`, nil},
		"a changed member":           {`{"a":{"b":1}}`, `{"a":{"b":2}}`, []inbox.ValueChange{{Pointer: steps("a", "b"), Old: json.Number("1"), New: json.Number("2")}}},
		"an added member":            {`{}`, `{"a/b":null}`, []inbox.ValueChange{{Pointer: steps("a/b"), Added: true}}},
		"a removed element":          {`[1,2]`, `[1]`, []inbox.ValueChange{{Pointer: element("1"), Old: json.Number("2"), Removed: true}}},
		"another type":               {`{"a":"1"}`, `{"a":1}`, []inbox.ValueChange{{Pointer: steps("a"), Old: "1", New: json.Number("1")}}},
		"null and absent":            {`{"a":null}`, `{}`, []inbox.ValueChange{{Pointer: steps("a"), Removed: true}}},
		"an object for a list":       {`{"a":[]}`, `{"a":{}}`, []inbox.ValueChange{{Pointer: steps("a"), Old: []any{}, New: map[string]any{}}}},
		"the whole document":         {`1`, `2`, []inbox.ValueChange{{Old: json.Number("1"), New: json.Number("2")}}},
		"the first document":         {``, `1`, []inbox.ValueChange{{New: json.Number("1"), Added: true}}},
		"a deleted document":         {`1`, ``, []inbox.ValueChange{{Old: json.Number("1"), Removed: true}}},
		"a deleted document deleted": {``, ``, nil},
		"several, in order": {`{"b":1,"a":1}`, `{"c":1,"a":2}`, []inbox.ValueChange{
			{Pointer: steps("a"), Old: json.Number("1"), New: json.Number("2")},
			{Pointer: steps("b"), Old: json.Number("1"), Removed: true},
			{Pointer: steps("c"), New: json.Number("1"), Added: true},
		}},
	} {
		document := func(text string) []byte {
			if text == "" {
				return nil
			}
			return []byte(text)
		}
		got, err := inbox.DiffJSON(document(c.before), document(c.after))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var want []inbox.ValueChange
		for _, v := range c.want {
			if v.Pointer != nil {
				want = append(want, v)
				continue
			}
			v.Pointer = got[0].Pointer
			want = append(want, v)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if _, err := inbox.DiffJSON([]byte(`{`), []byte(`{}`)); inbox.KindOf(err) != inbox.Invalid {
		t.Errorf("a document that is not JSON: %v", err)
	}
}

func TestAPointerEscapesItsTokens(t *testing.T) {
	t.Parallel()
	if got := inbox.PointerOf(steps("a/b", "~", "", "0")); got != "/a~1b/~0//0" {
		t.Errorf("the pointer is %q", got)
	}
}
