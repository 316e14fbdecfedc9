package sdk

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// reader reads one JSON text (RFC 8259) in one pass, without reflection. It trusts that the text is valid, and finds the ends of
// values by their brackets and quotes alone. The texts that it returns are parts of the text where they have no escapes, so the text
// must not change. After the first error every method returns a zero value, and err is set.
type reader struct {
	text string
	at   int
	err  error
}

var (
	errSyntax = errors.New("it is not valid JSON")
	errType   = errors.New("a value has another type than the contract says")
)

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.at = len(r.text)
}

// peek skips white space and returns the next byte, 0 at the end.
func (r *reader) peek() byte {
	for r.at < len(r.text) {
		switch c := r.text[r.at]; c {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return c
		}
	}
	return 0
}

// take reads one byte.
func (r *reader) take(c byte) {
	if r.peek() != c {
		r.fail(errSyntax)
		return
	}
	r.at++
}

// null reports whether the next value is null, which it then reads.
func (r *reader) null() bool {
	if r.peek() != 'n' {
		return false
	}
	r.word("null")
	return true
}

func (r *reader) word(word string) {
	if end := r.at + len(word); end <= len(r.text) && r.text[r.at:end] == word {
		r.at = end
		return
	}
	r.fail(errSyntax)
}

// object reads an object, and calls member for each name. member reads the value. It does nothing for null.
func (r *reader) object(member func(name string)) {
	if r.null() {
		return
	}
	r.begin('{')
	for more := r.first('}'); more; more = r.next('}') {
		if r.peek() != '"' {
			r.fail(errSyntax)
		}
		name := r.string()
		r.take(':')
		member(name)
	}
}

// list reads a list, and calls item for each item. item reads it. It does nothing for null.
func (r *reader) list(item func()) {
	if r.null() {
		return
	}
	r.begin('[')
	for more := r.first(']'); more; more = r.next(']') {
		item()
	}
}

// begin reads the bracket of an object or list.
func (r *reader) begin(bracket byte) {
	if c := r.peek(); c != bracket {
		r.fail(errType)
		return
	}
	r.at++
}

// first reports whether an object or list has a member. It reads the bracket of an empty one.
func (r *reader) first(end byte) bool {
	if r.err == nil && r.peek() == end {
		r.at++
		return false
	}
	return r.err == nil
}

// next reads what follows a member, and reports whether another one follows.
func (r *reader) next(end byte) bool {
	switch c := r.peek(); {
	case r.err != nil:
		return false
	case c == ',':
		r.at++
		return true
	case c == end:
		r.at++
		return false
	}
	r.fail(errSyntax)
	return false
}

// string reads a text. Null is the empty text.
func (r *reader) string() string {
	if r.null() {
		return ""
	}
	r.begin('"')
	rest := r.text[r.at:]
	end := strings.IndexByte(rest, '"')
	if end < 0 {
		r.fail(errSyntax)
		return ""
	}
	if escape := strings.IndexByte(rest[:end], '\\'); escape >= 0 {
		return r.escaped(escape)
	}
	r.at += end + 1
	return valid(rest[:end])
}

// valid returns a text in which each byte that is not UTF-8 is U+FFFD, as in encoding/json.
func valid(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return string([]rune(text))
}

// escaped reads a text whose first escape is n bytes from here.
func (r *reader) escaped(n int) string {
	b := append(make([]byte, 0, n+64), r.text[r.at:r.at+n]...)
	r.at += n
	for r.at < len(r.text) {
		switch c := r.text[r.at]; c {
		case '"':
			r.at++
			return valid(string(b))
		case '\\':
			b = r.escape(b)
		default:
			b = append(b, c)
			r.at++
		}
	}
	r.fail(errSyntax)
	return ""
}

// escape reads one escape and appends what it stands for.
func (r *reader) escape(b []byte) []byte {
	if r.at++; r.at >= len(r.text) {
		r.fail(errSyntax)
		return b
	}
	c := r.text[r.at]
	r.at++
	switch c {
	case '"', '\\', '/':
		return append(b, c)
	case 'b':
		return append(b, '\b')
	case 'f':
		return append(b, '\f')
	case 'n':
		return append(b, '\n')
	case 'r':
		return append(b, '\r')
	case 't':
		return append(b, '\t')
	case 'u':
		return utf8.AppendRune(b, r.unit())
	}
	r.fail(errSyntax)
	return b
}

// unit reads the four digits of an escape \u, and those of the second one of a surrogate pair. Half a pair is U+FFFD.
func (r *reader) unit() rune {
	one := r.digits()
	if !utf16.IsSurrogate(one) || r.at+2 > len(r.text) || r.text[r.at:r.at+2] != `\u` {
		return one // AppendRune makes U+FFFD of a lone surrogate
	}
	before := r.at
	r.at += 2
	if pair := utf16.DecodeRune(one, r.digits()); pair != utf8.RuneError {
		return pair
	}
	if r.err == nil {
		r.at = before // the second escape stands for itself
	}
	return utf8.RuneError
}

func (r *reader) digits() rune {
	if r.at+4 > len(r.text) {
		r.fail(errSyntax)
		return 0
	}
	n := rune(0)
	for _, c := range []byte(r.text[r.at : r.at+4]) {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			n = n<<4 | rune(c|0x20-'a'+10)
		default:
			r.fail(errSyntax)
			return 0
		}
	}
	r.at += 4
	return n
}

// optional reads a text, nil for null.
func (r *reader) optional() *string {
	if r.null() {
		return nil
	}
	text := r.string()
	return &text
}

// int reads a whole number of 64 bits. Null is 0.
func (r *reader) int() int64 {
	if r.null() {
		return 0
	}
	start := r.at
	for r.at < len(r.text) && (r.text[r.at] == '-' || r.text[r.at] >= '0' && r.text[r.at] <= '9') {
		r.at++
	}
	n, err := strconv.ParseInt(r.text[start:r.at], 10, 64)
	if err != nil {
		r.fail(errType)
	}
	return n
}

// bool reads true or false. Null is false.
func (r *reader) bool() bool {
	switch r.peek() {
	case 't':
		r.word("true")
		return r.err == nil
	case 'f':
		r.word("false")
	case 'n':
		r.word("null")
	default:
		r.fail(errType)
	}
	return false
}

// raw reads any value and returns it as it is.
func (r *reader) raw() string {
	if r.peek() == 0 {
		r.fail(errSyntax)
	}
	start := r.at
	depth := 0
	for r.at < len(r.text) {
		switch c := r.text[r.at]; c {
		case '"':
			r.skipString()
			if depth == 0 {
				return r.text[start:r.at]
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				r.at++
				return r.text[start:r.at]
			}
			if depth < 0 { // the end of the object or list around a number or a word
				return r.text[start:r.at]
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return r.text[start:r.at]
			}
		}
		r.at++
	}
	if depth > 0 {
		r.fail(errSyntax)
	}
	return r.text[start:r.at]
}

// skipString skips a text.
func (r *reader) skipString() {
	for from := r.at + 1; ; {
		n := strings.IndexByte(r.text[from:], '"')
		if n < 0 {
			r.fail(errSyntax)
			return
		}
		end := from + n
		from = end + 1
		escapes := 0
		for r.text[end-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			r.at = from
			return
		}
	}
}
