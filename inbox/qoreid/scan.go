package qoreid

import (
	"bytes"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
)

// What is in this file walks over JSON that valid has accepted. Strings are skipped, not decoded: a body may hold
// megabytes of photos.

// span is where a value stands in a text.
type span struct{ from, to int }

func (s span) of(text []byte) []byte { return text[s.from:s.to:s.to] }

// members yields the names and places of an object's members in their order, duplicates included, and nothing for any
// other value. A name is decoded; it is good until the next one is asked for.
func members(text []byte) iter.Seq2[[]byte, span] {
	return func(yield func([]byte, span) bool) {
		s := scan{b: text}
		for more := s.enter('{'); more; more = s.next() {
			name := s.value().of(text)
			s.space()
			s.i++ // the colon
			s.space()
			if !yield(unquote(name), s.value()) {
				return
			}
		}
	}
}

// elements yields the places of an array's elements, and nothing for any other value.
func elements(text []byte) iter.Seq2[int, span] {
	return func(yield func(int, span) bool) {
		s, n := scan{b: text}, 0
		for more := s.enter('['); more; more = s.next() {
			if !yield(n, s.value()) {
				return
			}
			n++
		}
	}
}

// find returns where the value at a JSON pointer (RFC 6901) stands. Of duplicate members the last counts.
func find(text []byte, pointer string) (at span, ok bool) {
	at = whole(text)
	tokens, ok := tokens(pointer)
	for _, token := range tokens {
		if at, ok = child(text, at, token); !ok {
			return span{}, false
		}
	}
	return at, ok
}

// whole returns the place of a document without the spaces around it.
func whole(text []byte) span {
	s := scan{b: text}
	s.space()
	return s.value()
}

// child returns the place of a member or element of the value at a place.
func child(text []byte, at span, token string) (in span, ok bool) {
	inner := at.of(text)
	for name, m := range members(inner) {
		if string(name) == token {
			in, ok = span{at.from + m.from, at.from + m.to}, true
		}
	}
	for n, e := range elements(inner) {
		if strconv.Itoa(n) == token {
			return span{at.from + e.from, at.from + e.to}, true
		}
	}
	return in, ok
}

// tokens splits a JSON pointer; false when it is none.
func tokens(pointer string) ([]string, bool) {
	if pointer == "" {
		return nil, true
	}
	rest, ok := strings.CutPrefix(pointer, "/")
	if !ok {
		return nil, false
	}
	list := strings.Split(rest, "/")
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for i, t := range list {
		list[i] = unescape.Replace(t)
	}
	return list, true
}

// unquote returns what a JSON string says, without copying where nothing is escaped.
func unquote(quoted []byte) []byte {
	if plain := quoted[1 : len(quoted)-1]; bytes.IndexByte(plain, '\\') < 0 {
		return plain
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // valid: nothing to go wrong
	return []byte(s)
}

// scan walks over valid JSON.
type scan struct {
	b []byte
	i int
}

func (s *scan) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scan) space() {
	for s.i < len(s.b) && isSpace(s.b[s.i]) {
		s.i++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// enter steps into an object or array and reports whether there is something in it.
func (s *scan) enter(open byte) bool {
	s.space()
	if s.peek() != open {
		return false
	}
	s.i++
	s.space()
	return s.peek() != '}' && s.peek() != ']'
}

// next steps to the next member or element and reports whether there is one.
func (s *scan) next() bool {
	s.space()
	if s.peek() != ',' {
		return false
	}
	s.i++
	s.space()
	return true
}

// value skips one value and returns its place.
func (s *scan) value() span {
	from := s.i
	switch s.peek() {
	case '"':
		s.text()
	case '{', '[':
		s.nested()
	default: // a number or a literal ends where something else begins
		for s.i < len(s.b) && s.b[s.i] != ',' && s.b[s.i] != '}' && s.b[s.i] != ']' && !isSpace(s.b[s.i]) {
			s.i++
		}
	}
	return span{from, s.i}
}

// nested skips an object or array with all that is in it.
func (s *scan) nested() {
	for depth := 0; s.i < len(s.b); {
		switch s.b[s.i] {
		case '"':
			s.text()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.i++
		if depth == 0 {
			return
		}
	}
}

// text skips a string: to the next quotation mark with an even number of backslashes before it.
func (s *scan) text() {
	for s.i++; s.i < len(s.b); {
		end := bytes.IndexByte(s.b[s.i:], '"')
		if end < 0 {
			s.i = len(s.b)
			return
		}
		end += s.i
		slashes := 0
		for slashes < end-s.i && s.b[end-1-slashes] == '\\' {
			slashes++
		}
		s.i = end + 1
		if slashes%2 == 0 {
			return
		}
	}
}
