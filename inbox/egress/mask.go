package egress

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"
)

// maskFrom is the length in bytes from which on a secret is masked in responses. Shorter ones would be found in innocent text.
const maskFrom = 8

// mask replaces the secrets of an exchange in what servers send, because a response is stored and shown. Servers repeat credentials in
// error messages and in pages that show a request, and a redirect can carry them to another server.
//
// A secret is found as it is, in base64 at any offset, and in hex, in capitals and small letters. Each character of these may be escaped as in
// JSON, HTML or a URL.
type mask struct {
	forms []form
	first [256]bool // bytes that may begin a form
}

// form is one text by which a secret is known.
type form struct {
	name   string // shown in its place
	text   string
	before bool // the character of base64 before it has bits of the secret
	after  bool // the one after it
}

// maskOf returns the mask of some secrets.
func maskOf(secrets []Secret) *mask {
	m := &mask{}
	for _, s := range secrets {
		m.add(s)
	}
	for _, f := range m.forms {
		m.begin(f.text)
	}
	return m
}

func (m *mask) empty() bool { return len(m.forms) == 0 }

// longest returns the length in bytes of the longest text that is masked.
func (m *mask) longest() (n int) {
	for _, f := range m.forms {
		n = max(n, maxSpelling*(len(f.text)+4)) // a character before it, one after it, two of padding
	}
	return n
}

// add adds a secret. A secret that is too short to be masked is not added.
func (m *mask) add(s Secret) {
	secret, name := s.reveal(), s.String()
	if len(secret) < maskFrom || slices.ContainsFunc(m.forms, func(f form) bool { return f.name == name && f.text == secret }) {
		return
	}
	m.forms = append(m.forms, form{name: name, text: secret}, form{name: name, text: hex.EncodeToString([]byte(secret))})
	for offset := range 3 {
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			f := insideBase64(alphabet, secret, offset)
			f.name = name
			if !slices.Contains(m.forms, f) {
				m.forms = append(m.forms, f)
			}
		}
	}
}

// begin notes the bytes that may begin a form.
func (m *mask) begin(text string) {
	for _, b := range []byte{text[0], lower(text[0]), upper(text[0]), '%', '\\', '&'} {
		m.first[b] = true
	}
	m.first['+'] = m.first['+'] || text[0] == ' '
}

// insideBase64 returns the characters of base64 that have bits of the secret alone, when offset other bytes are before it.
func insideBase64(alphabet *base64.Encoding, secret string, offset int) form {
	text := alphabet.EncodeToString([]byte(strings.Repeat("\x00", offset) + secret))
	bits := 8 * (offset + len(secret))
	return form{text: text[(8*offset+5)/6 : bits/6], before: offset > 0, after: bits%6 > 0}
}

// hide returns a text with a name in the place of each secret that begins in its first limit bytes. It leaves out what is after these
// bytes. A secret that the limit cuts is found as far as the text goes on behind it.
func (m *mask) hide(text []byte, limit int) []byte {
	limit = min(limit, len(text))
	if m.empty() {
		return text[:limit]
	}
	var out []byte
	done := 0 // bytes of text that are in out
	for i := 0; i < limit; {
		f, n := m.find(text[i:])
		if n == 0 {
			i++
			continue
		}
		start := i
		if f.before && start > done && inBase64(text[start-1]) {
			start--
		}
		out = append(append(out, text[done:start]...), f.name...)
		i += n + f.tail(text[i+n:])
		done = i
	}
	return append(out, text[min(done, limit):limit]...)
}

// tail returns the number of bytes behind a form that belong to it: a character of base64 with bits of the secret, and the padding.
func (f *form) tail(text []byte) (n int) {
	if f.after && len(text) > 0 && inBase64(text[0]) {
		n = 1
	}
	for f.after && n < len(text) && text[n] == '=' {
		n++
	}
	return n
}

// find returns the form that begins a text, which is not empty, and takes most of it, and the number of bytes that it takes; 0 for none.
func (m *mask) find(text []byte) (longest *form, n int) {
	if !m.first[text[0]] {
		return nil, 0
	}
	for i := range m.forms {
		if took := m.forms[i].takes(text); took > n {
			longest, n = &m.forms[i], took
		}
	}
	return longest, n
}

// takes returns the number of bytes at the start of a text that spell a form; 0 if it does not begin with the form. It follows all
// ways to read the text at once, because a backslash may be itself or the begin of an escape.
func (f *form) takes(text []byte) int {
	var room [2][maxReadings]int
	at, next := append(room[0][:0], 0), room[1][:0]
	for rest := f.text; rest != ""; at, next = next, at[:0] {
		r, size := utf8.DecodeRuneInString(rest)
		for _, from := range at {
			next = spellings(next, text, from, rest[:size], r)
		}
		if len(next) == 0 {
			return 0
		}
		rest = rest[size:]
	}
	return slices.Max(at)
}

// maxReadings is the number of ways to read a text that are followed. Only a secret with many backslashes in a row has more.
const maxReadings = 16

// maxSpelling is the longest escape, in bytes, of one byte of a secret: &#x0061;.
const maxSpelling = 8

// spellings adds to list the positions behind a character of a text, for each way to write it that is found at a position.
func spellings(list []int, text []byte, from int, char string, r rune) []int {
	add := func(width int) {
		if width > 0 && len(list) < maxReadings && !slices.Contains(list, from+width) {
			list = append(list, from+width)
		}
	}
	text = text[from:]
	if len(text) >= len(char) && strings.EqualFold(string(text[:len(char)]), char) {
		add(len(char))
	}
	if len(text) < 2 {
		return list
	}
	switch text[0] {
	case '+':
		if r == ' ' {
			add(1)
		}
	case '%':
		add(percents(text, char))
	case '\\':
		add(backslash(text, r))
	case '&':
		add(entity(text, r))
	}
	return list
}

// percents returns the number of bytes that a character in percent-encoding takes (RFC 3986, section 2.1).
func percents(text []byte, char string) int {
	if len(text) < 3*len(char) {
		return 0
	}
	for i := range len(char) {
		if b, ok := charCode(text[3*i+1:3*i+3], 16); text[3*i] != '%' || !ok || !same(b, rune(char[i])) {
			return 0
		}
	}
	return 3 * len(char)
}

// backslash returns the number of bytes that a character takes behind a backslash, as in JSON (RFC 8259, section 7) and JavaScript.
func backslash(text []byte, r rune) int {
	digits := map[byte]int{'u': 4, 'x': 2}[text[1]]
	if digits > 0 && len(text) >= 2+digits {
		if code, ok := charCode(text[2:2+digits], 16); ok && same(code, r) {
			return 2 + digits
		}
	}
	if rune(text[1]) == r || r == '\t' && text[1] == 't' {
		return 2
	}
	return 0
}

// entity returns the number of bytes that a character takes as a character reference of HTML.
func entity(text []byte, r rune) int {
	end := bytes.IndexByte(text[:min(len(text), maxSpelling)], ';')
	if end < 3 {
		return 0
	}
	inside := text[1:end]
	code, ok := map[string]rune{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\'', "nbsp": ' ', "Tab": '\t'}[string(inside)]
	if inside[0] == '#' {
		if inside[1] == 'x' || inside[1] == 'X' {
			code, ok = charCode(inside[2:], 16)
		} else {
			code, ok = charCode(inside[1:], 10)
		}
	}
	if !ok || !same(code, r) {
		return 0
	}
	return end + 1
}

// charCode reads the number of a character; false for other text than digits, and beyond Unicode.
func charCode(digits []byte, base rune) (code rune, ok bool) {
	for _, b := range digits {
		d := rune(lower(b)) - '0'
		if d > 9 {
			d -= 'a' - '0' - 10
			if d < 10 {
				return 0, false
			}
		}
		if d < 0 || d >= base || code > utf8.MaxRune {
			return 0, false
		}
		code = code*base + d
	}
	return code, len(digits) > 0
}

// same reports whether two characters are the same but for the case of ASCII letters.
func same(a, b rune) bool {
	return a == b || a < 0x80 && b < 0x80 && lower(byte(a)) == lower(byte(b))
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

func upper(b byte) byte {
	if b >= 'a' && b <= 'z' {
		return b - 'a' + 'A'
	}
	return b
}

// inBase64 reports whether a byte is of one of the alphabets of RFC 4648.
func inBase64(b byte) bool {
	return lower(b) >= 'a' && lower(b) <= 'z' || b >= '0' && b <= '9' || strings.IndexByte("+/-_", b) >= 0
}
