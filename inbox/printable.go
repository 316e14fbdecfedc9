package inbox

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
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
	if r < 0x7f {
		return r < ' '
	}
	return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp)
}

// PrintableText is [Printable] for a text of several lines: line feeds and tabs stay.
func PrintableText(text string) string {
	hostile := func(r rune) bool { return r != '\n' && r != '\t' && Unprintable(r) }
	if utf8.ValidString(text) && strings.IndexFunc(text, hostile) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		end := strings.IndexAny(text, "\n\t")
		if end < 0 {
			end = len(text)
		}
		b.WriteString(Printable(text[:end]))
		if text = text[end:]; text != "" {
			b.WriteByte(text[0])
			text = text[1:]
		}
	}
	return b.String()
}

// PrintableJSON returns JSON text safe to show, with the same value: characters that [Unprintable] reports, which outside
// of strings are only white space, are written as \uXXXX (RFC 8259, section 7). Bytes that are not UTF-8 become U+FFFD.
func PrintableJSON(text []byte) []byte {
	at := unprintableInJSON(text)
	if at < 0 {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for at >= 0 {
		out = append(out, text[:at]...)
		r, size := utf8.DecodeRune(text[at:])
		if r > 0xffff {
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		} else {
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[at+size:]
		at = unprintableInJSON(text)
	}
	return append(out, text...)
}

// unprintableInJSON returns where the first character is that must be escaped, -1 for none. Valid JSON has no control
// characters below a space but white space.
func unprintableInJSON(text []byte) int {
	for i := 0; i < len(text); {
		if text[i] < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 || Unprintable(r) {
			return i
		}
		i += size
	}
	return -1
}
