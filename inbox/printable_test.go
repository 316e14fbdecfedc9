package inbox_test

import (
	"testing"

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
