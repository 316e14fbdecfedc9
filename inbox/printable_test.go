package inbox_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"

	"inbox/inbox"
)

func TestPrintableTextCannotMoveTheCursorOrHide(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "",
		"Adé Òkò 你好":                    "Adé Òkò 你好",
		"a\x1b[2Jb":                     "a [2Jb",
		"a\u009b2Jb\x7f":                "a 2Jb ",
		"two\r\nlines\tof text":         "two  lines of text",
		"pass\u202edeliaf":              "pass\ufffddeliaf",
		"a\u200bb\ufeffc\u2066d":        "a\ufffdb\ufffdc\ufffdd",
		"line\u2028paragraph\u2029.":    "line\ufffdparagraph\ufffd.",
		"not \xff UTF-8":                "not \ufffd UTF-8",
		"tag \U000e0041 private \ue000": "tag \ufffd private \ufffd",
	} {
		if got := inbox.Printable(text); got != want {
			t.Errorf("Printable(%q) is %q, want %q", text, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\u202e\x9b\xff")
	f.Fuzz(func(t *testing.T, text string) {
		once := inbox.Printable(text)
		for _, r := range once {
			if inbox.Unprintable(r) {
				t.Fatalf("%q keeps %U", once, r)
			}
		}
		if twice := inbox.Printable(once); twice != once {
			t.Fatalf("Printable(%q) is %q", once, twice)
		}
	})
}

func TestPrintableTextKeepsItsLinesAndTabs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "",
		"one\n\ttwo\n":              "one\n\ttwo\n",
		"one\r\ntwo\x1b\t\u202e.\n": "one \ntwo \t\ufffd.\n",
		"\n\xff\n":                  "\n\ufffd\n",
	} {
		if got := inbox.PrintableText(text); got != want {
			t.Errorf("PrintableText(%q) is %q, want %q", text, got, want)
		}
	}
}

func FuzzPrintableJSON(f *testing.F) {
	f.Add(`{"a\u202e":["` + "\u009b\x7f\u200b\U000e0041\xff\\\u2028" + `", 1.50]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			t.Skip()
		}
		safe := inbox.PrintableJSON([]byte(text))
		for i, r := range string(safe) {
			if r >= 0x7f && (inbox.Unprintable(r) || r == utf8.RuneError && safe[i] == 0xff) {
				t.Fatalf("%q keeps %U", safe, r)
			}
		}
		var before, after any
		if err := json.Unmarshal([]byte(text), &before); err != nil {
			t.Skip()
		}
		if err := json.Unmarshal(safe, &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q: %v", text, safe, err)
		}
	})
}
