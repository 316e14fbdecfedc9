package qoreid

import (
	"bytes"
	"encoding/json"
)

// members returns the raw values of a JSON object by key, the last of duplicates, and nil for anything but an object.
// The text must be valid JSON. Strings are skipped, not decoded: a body may hold megabytes of photos.
func members(text []byte) map[string][]byte {
	s := scan{b: text}
	s.space()
	if s.peek() != '{' {
		return nil
	}
	s.i++
	found := map[string][]byte{}
	for {
		s.space()
		switch s.peek() {
		case ',':
			s.i++
		case '"':
			name := s.value()
			s.space()
			s.i++ // the colon
			s.space()
			found[unquote(name)] = s.value()
		default: // the closing brace
			return found
		}
	}
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
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

// value skips one value and returns it.
func (s *scan) value() []byte {
	from, depth := s.i, 0
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case '"':
			s.text()
		case '{', '[':
			depth++
			s.i++
		case '}', ']':
			if depth == 0 {
				return s.b[from:s.i]
			}
			depth--
			s.i++
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return s.b[from:s.i]
			}
			s.i++
			continue
		default:
			s.i++
			continue
		}
		if depth == 0 {
			return s.b[from:s.i]
		}
	}
	return s.b[from:s.i]
}

// text skips a string.
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

func unquote(name []byte) string {
	if plain := name[1 : len(name)-1]; bytes.IndexByte(plain, '\\') < 0 {
		return string(plain)
	}
	var s string
	if json.Unmarshal(name, &s) != nil {
		return ""
	}
	return s
}
