package qoreid

import (
	"encoding/binary"
	"math/bits"
)

// maxDepth is how deeply a body may be nested: as deep as encoding/json goes, which reads bodies elsewhere in the
// program. A deeper one is not JSON to us, and is the event "unknown".
const maxDepth = 10000

// valid reports whether a text is one JSON value (RFC 8259), by the same rules as [encoding/json.Valid]: strings may
// hold invalid UTF-8, names may repeat. It is here because it is several times as fast over the photos that make bodies
// large.
func valid(text []byte) bool {
	v := validator{scan{b: text}}
	v.space()
	if !v.value(0) {
		return false
	}
	v.space()
	return v.i == len(text)
}

type validator struct{ scan }

func (v *validator) value(depth int) bool {
	switch c := v.peek(); c {
	case '"':
		return v.text()
	case '{', '[':
		return depth < maxDepth && v.container(c, depth+1)
	case 't':
		return v.literal("true")
	case 'f':
		return v.literal("false")
	case 'n':
		return v.literal("null")
	}
	return v.number()
}

// container takes an object or an array.
func (v *validator) container(open byte, depth int) bool {
	end := open + 2 // '}' and ']' stand two after their openings
	v.i++
	v.space()
	if v.peek() == end {
		v.i++
		return true
	}
	for {
		if open == '{' && !v.name() {
			return false
		}
		if !v.value(depth) {
			return false
		}
		v.space()
		c := v.peek()
		v.i++
		if c == end {
			return true
		}
		if c != ',' {
			return false
		}
		v.space()
	}
}

// name takes a member's name and the colon.
func (v *validator) name() bool {
	if v.peek() != '"' || !v.text() {
		return false
	}
	v.space()
	if v.peek() != ':' {
		return false
	}
	v.i++
	v.space()
	return true
}

func (v *validator) literal(word string) bool {
	if end := v.i + len(word); end <= len(v.b) && string(v.b[v.i:end]) == word {
		v.i = end
		return true
	}
	return false
}

func (v *validator) number() bool {
	if v.peek() == '-' {
		v.i++
	}
	if v.peek() == '0' {
		v.i++
	} else if !v.digits() {
		return false
	}
	if v.peek() == '.' {
		v.i++
		if !v.digits() {
			return false
		}
	}
	if c := v.peek(); c == 'e' || c == 'E' {
		v.i++
		if c := v.peek(); c == '+' || c == '-' {
			v.i++
		}
		return v.digits()
	}
	return true
}

// digits takes one digit or more.
func (v *validator) digits() bool {
	from := v.i
	for v.i < len(v.b) && v.b[v.i]-'0' <= 9 {
		v.i++
	}
	return v.i > from
}

// text takes a string. Every step goes over plain characters to the next that is not.
func (v *validator) text() bool {
	for v.i++; ; {
		v.i += plain(v.b[v.i:])
		switch c := v.peek(); {
		case c == '"':
			v.i++
			return true
		case c != '\\' || !v.escape(): // a control character or the end of the text
			return false
		}
	}
}

// escape takes a backslash and what belongs to it.
func (v *validator) escape() bool {
	v.i++
	c := v.peek()
	v.i++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			c := v.peek() | 0x20
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') || v.peek() < '0' {
				return false
			}
			v.i++
		}
		return true
	}
	return false
}

// plain returns how many of the first bytes are neither quotation marks, nor backslashes, nor control characters: eight
// at a time.
func plain(b []byte) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^('"'*low), w^('\\'*low)
		// The lowest marked byte is exact; only bytes above it can be marked by a borrow.
		if m := ((quote-low)&^quote | (slash-low)&^slash | (w-' '*low)&^w) & high; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
		i++
	}
	return i
}
