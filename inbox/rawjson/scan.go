// Package rawjson walks over JSON as it stands in a text, without decoding it. A body may hold megabytes of photos, of
// which most of the program wants nothing: strings are skipped, and values are places in the text. All of it but [Valid]
// is for texts that Valid has accepted; on any other it ends, and what it says means nothing. It knows none of the
// program's rooms.
package rawjson

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
)

// Span is where a value stands in a text.
type Span struct{ From, To int }

// Of returns the value. It is the text's memory.
func (s Span) Of(text []byte) []byte { return text[s.From:s.To:s.To] }

// Members yields the names and places of an object's members in their order, duplicates included, and nothing for any
// other value. A name is decoded; it is good until the next one is asked for.
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

// Elements yields the places of an array's elements, and nothing for any other value.
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

// Find returns where the value at a JSON pointer (RFC 6901) stands. Of duplicate members the last counts.
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

// Whole returns the place of a document without the spaces around it.
func Whole(text []byte) Span {
	s := Scan{Text: text}
	s.Space()
	return s.Value()
}

// Child returns the place of a member or element of the value at a place.
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

// Tokens splits a JSON pointer; false when it is none.
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
	At   int // how far it has come
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

// Enter steps into an object or array and reports whether there is something in it.
func (s *Scan) Enter(open byte) bool {
	s.Space()
	if s.Peek() != open {
		return false
	}
	s.At++
	s.Space()
	return s.Peek() != '}' && s.Peek() != ']'
}

// Next steps to the next member or element and reports whether there is one.
func (s *Scan) Next() bool {
	s.Space()
	if s.Peek() != ',' {
		return false
	}
	s.At++
	s.Space()
	return true
}

// Name skips the name of a member and its colon, up to the value, and returns the name's place.
func (s *Scan) Name() Span {
	name := s.Value()
	s.Space()
	s.At = min(s.At+1, len(s.Text)) // the colon
	s.Space()
	return name
}

// Value skips one value and returns its place.
func (s *Scan) Value() Span {
	from := s.At
	switch s.Peek() {
	case '"':
		s.text()
	case '{', '[':
		s.nested()
	default: // a number or a literal ends where something else begins
		for s.At < len(s.Text) && s.Text[s.At] != ',' && s.Text[s.At] != '}' && s.Text[s.At] != ']' && !isSpace(s.Text[s.At]) {
			s.At++
		}
	}
	return Span{from, s.At}
}

// nested skips an object or array with all that is in it.
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
