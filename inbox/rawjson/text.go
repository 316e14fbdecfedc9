package rawjson

import (
	"bytes"
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote returns the decoded text of a JSON string, without a copy when nothing is escaped. In a string with escapes,
// invalid UTF-8 becomes U+FFFD.
func Unquote(quoted []byte) []byte {
	if len(quoted) < len(`""`) {
		return nil // the text is not JSON
	}
	rest := quoted[1 : len(quoted)-1]
	switch {
	case bytes.IndexByte(rest, '\\') < 0:
		return rest
	case !utf8.Valid(rest):
		var s string
		_ = json.Unmarshal(quoted, &s) // valid JSON cannot fail
		return []byte(s)
	}
	out := make([]byte, 0, TextSize(quoted))
	for {
		plain := bytes.IndexByte(rest, '\\')
		if plain < 0 {
			return append(out, rest...)
		}
		n, character := escape(rest[plain:])
		out = utf8.AppendRune(append(out, rest[:plain]...), character)
		rest = rest[plain+n:]
	}
}

// TextSize returns the number of bytes of the text that Unquote returns, in UTF-8.
func TextSize(quoted []byte) int {
	rest := quoted[1 : len(quoted)-1]
	for size := 0; ; {
		plain := bytes.IndexByte(rest, '\\')
		if plain < 0 {
			return size + len(rest)
		}
		n, character := escape(rest[plain:])
		size += plain + utf8.RuneLen(character)
		rest = rest[plain+n:]
	}
}

// escape returns the length of the escape at the beginning of a text, and its character. Half a pair of surrogates is
// U+FFFD.
func escape(b []byte) (length int, character rune) {
	if len(b) < 2 {
		return len(b), utf8.RuneError // the text is not JSON
	}
	switch b[1] {
	case 'b':
		return 2, '\b'
	case 'f':
		return 2, '\f'
	case 'n':
		return 2, '\n'
	case 'r':
		return 2, '\r'
	case 't':
		return 2, '\t'
	case '"', '\\', '/':
		return 2, rune(b[1])
	}
	return hexEscape(b)
}

// hexEscape is escape for those of hexadecimal digits: \u and four of them, or a pair of such.
func hexEscape(b []byte) (length int, character rune) {
	const short, pair = 6, 12
	if len(b) < short {
		return len(b), utf8.RuneError // the text is not JSON
	}
	character = hex(b[2:short])
	if !utf16.IsSurrogate(character) {
		return short, character
	}
	if len(b) >= pair && b[short] == '\\' && b[short+1] == 'u' {
		if both := utf16.DecodeRune(character, hex(b[short+2:pair])); both != utf8.RuneError {
			return pair, both
		}
	}
	return short, utf8.RuneError
}

// hex reads four digits.
func hex(b []byte) (r rune) {
	for _, c := range b {
		digit := c & 0x0f
		if c > '9' {
			digit += 9
		}
		r = r<<4 | rune(digit)
	}
	return r
}
