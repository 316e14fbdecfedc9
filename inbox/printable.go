package inbox

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns text from outside (payloads, headers, file names, plugin output) safe to show on one line of a
// terminal or a log. Control characters become spaces. Characters that are invisible or change the direction of text
// (Unicode categories Cf, Zl, Zp, private use and surrogates) and bytes that are not UTF-8 become U+FFFD.
// A text may otherwise move the cursor, hide itself, or read in another order than it has
// (https://www.unicode.org/reports/tr36/, https://trojansource.codes).
func Printable(text string) string {
	if utf8.ValidString(text) && strings.IndexFunc(text, Unprintable) < 0 {
		return text
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cc, r):
			return ' '
		case Unprintable(r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
}

// Unprintable reports whether a character must not reach a terminal or a log as it is.
func Unprintable(r rune) bool {
	return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp)
}
