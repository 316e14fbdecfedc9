// Package rawjson walks over a JSON text without decoding it. A body may hold megabytes of photos, which most of the program
// does not need: strings are skipped, and values are spans of the text. Every function except [Valid] expects a text that Valid
// accepted. On any other text it still returns, and its result is meaningless. The package imports none of the program's
// packages; qoreid, host and inbox use it.
package rawjson

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
)

// Span is the position of a value in a text.
type Span struct{ From, To int }

// Of returns the value. It shares the memory of the text.
func (s Span) Of(text []byte) []byte { return text[s.From:s.To:s.To] }

// Members yields the names and spans of an object's members in order, with duplicates. It yields nothing for any other value.
// Names are decoded; a name is valid until the next iteration.
func Members(text []byte) iter.Seq2[[]byte, Span] {
	return func(yield func([]byte, Span) bool) {
		s := Scan{Text: text}
		for more := s.Enter('{'); more; more = s.Next() {
			if name := s.Name(); !yield(Unquote(name.Of(text)), s.Value()) {
				return
			}
		}
	}
}

// Elements yields the spans of an array's elements, and nothing for any other value.
func Elements(text []byte) iter.Seq2[int, Span] {
	return func(yield func(int, Span) bool) {
		s, n := Scan{Text: text}, 0
		for more := s.Enter('['); more; more = s.Next() {
			if !yield(n, s.Value()) {
				return
			}
			n++
		}
	}
}

// Find returns the span of the value at a JSON pointer (RFC 6901). Of duplicate members it takes the last.
func Find(text []byte, pointer string) (at Span, ok bool) {
	at = Whole(text)
	list, ok := Tokens(pointer)
	for _, token := range list {
		if at, ok = Child(text, at, token); !ok {
			return Span{}, false
		}
	}
	return at, ok
}

// Whole returns the span of a document without the spaces around it.
func Whole(text []byte) Span {
	s := Scan{Text: text}
	s.Space()
	return s.Value()
}

// Child returns the span of a member or element of the value at a span.
func Child(text []byte, at Span, token string) (in Span, ok bool) {
	inner := at.Of(text)
	for name, m := range Members(inner) {
		if string(name) == token {
			in, ok = Span{at.From + m.From, at.From + m.To}, true
		}
	}
	for n, e := range Elements(inner) {
		if strconv.Itoa(n) == token {
			return Span{at.From + e.From, at.From + e.To}, true
		}
	}
	return in, ok
}

// Tokens splits a JSON pointer. It returns false for a text that is not a pointer.
func Tokens(pointer string) ([]string, bool) {
	if pointer == "" {
		return nil, true
	}
	rest, ok := strings.CutPrefix(pointer, "/")
	if !ok {
		return nil, false
	}
	list := strings.Split(rest, "/")
	for i, t := range list {
		list[i] = unescape.Replace(t)
	}
	return list, true
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// Scan walks over a text value by value.
type Scan struct {
	Text []byte
	At   int // the current position
}

// Peek returns the next byte, zero at the end.
func (s *Scan) Peek() byte {
	if s.At < len(s.Text) {
		return s.Text[s.At]
	}
	return 0
}

// Space skips spaces.
func (s *Scan) Space() {
	for s.At < len(s.Text) && isSpace(s.Text[s.At]) {
		s.At++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// Enter steps into an object or array and reports whether it has a member or element.
func (s *Scan) Enter(open byte) bool {
	s.Space()
	if s.Peek() != open {
		return false
	}
	s.At++
	s.Space()
	return s.Peek() != '}' && s.Peek() != ']'
}

// Next steps to the next member or element and reports whether one follows.
func (s *Scan) Next() bool {
	s.Space()
	if s.Peek() != ',' {
		return false
	}
	s.At++
	s.Space()
	return true
}

// Name skips the name of a member and its colon, up to the value, and returns the name's span.
func (s *Scan) Name() Span {
	name := s.Value()
	s.Space()
	s.At = min(s.At+1, len(s.Text)) // the colon
	s.Space()
	return name
}

// Value skips one value and returns its span.
func (s *Scan) Value() Span {
	from := s.At
	switch s.Peek() {
	case '"':
		s.text()
	case '{', '[':
		s.nested()
	default: // a number or a literal ends before the next other character
		for s.At < len(s.Text) && s.Text[s.At] != ',' && s.Text[s.At] != '}' && s.Text[s.At] != ']' && !isSpace(s.Text[s.At]) {
			s.At++
		}
	}
	return Span{from, s.At}
}

// nested skips an object or array with its content.
func (s *Scan) nested() {
	for depth := 0; s.At < len(s.Text); {
		switch s.Text[s.At] {
		case '"':
			s.text()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.At++
		if depth == 0 {
			return
		}
	}
}

// text skips a string: to the next quotation mark with an even number of backslashes before it.
func (s *Scan) text() {
	for s.At++; s.At < len(s.Text); {
		end := bytes.IndexByte(s.Text[s.At:], '"')
		if end < 0 {
			s.At = len(s.Text)
			return
		}
		end += s.At
		slashes := 0
		for slashes < end-s.At && s.Text[end-1-slashes] == '\\' {
			slashes++
		}
		s.At = end + 1
		if slashes%2 == 0 {
			return
		}
	}
}
