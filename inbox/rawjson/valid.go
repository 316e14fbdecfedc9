package rawjson

import (
	"encoding/binary"
	"math/bits"
)

// maxDepth is the depth to which a body may be nested. It equals the limit of encoding/json, which reads bodies elsewhere in
// the program. A deeper body is not valid JSON here, and becomes the event "unknown".
const maxDepth = 10000

// Valid reports whether a text is one JSON value (RFC 8259), by the same rules as [encoding/json.Valid]: strings may
// hold invalid UTF-8, names may repeat. It exists because it is several times as fast on the photos that make bodies large.
func Valid(text []byte) bool {
	v := validator{Scan{Text: text}}
	v.Space()
	if !v.value(0) {
		return false
	}
	v.Space()
	return v.At == len(text)
}

type validator struct{ Scan }

func (v *validator) value(depth int) bool {
	switch c := v.Peek(); c {
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

// container reads an object or an array.
func (v *validator) container(open byte, depth int) bool {
	end := open + 2 // '}' and ']' are two characters after '{' and '['
	v.At++
	v.Space()
	if v.Peek() == end {
		v.At++
		return true
	}
	for {
		if open == '{' && !v.name() {
			return false
		}
		if !v.value(depth) {
			return false
		}
		v.Space()
		c := v.Peek()
		v.At++
		if c == end {
			return true
		}
		if c != ',' {
			return false
		}
		v.Space()
	}
}

// name reads a member's name and the colon.
func (v *validator) name() bool {
	if v.Peek() != '"' || !v.text() {
		return false
	}
	v.Space()
	if v.Peek() != ':' {
		return false
	}
	v.At++
	v.Space()
	return true
}

func (v *validator) literal(word string) bool {
	if end := v.At + len(word); end <= len(v.Text) && string(v.Text[v.At:end]) == word {
		v.At = end
		return true
	}
	return false
}

func (v *validator) number() bool {
	if v.Peek() == '-' {
		v.At++
	}
	if v.Peek() == '0' {
		v.At++
	} else if !v.digits() {
		return false
	}
	if v.Peek() == '.' {
		v.At++
		if !v.digits() {
			return false
		}
	}
	if c := v.Peek(); c == 'e' || c == 'E' {
		v.At++
		if c := v.Peek(); c == '+' || c == '-' {
			v.At++
		}
		return v.digits()
	}
	return true
}

// digits reads one digit or more.
func (v *validator) digits() bool {
	from := v.At
	for v.At < len(v.Text) && v.Text[v.At]-'0' <= 9 {
		v.At++
	}
	return v.At > from
}

// text reads a string. Every step skips plain characters up to the next character that is not plain.
func (v *validator) text() bool {
	for v.At++; ; {
		v.At += plain(v.Text[v.At:])
		switch c := v.Peek(); {
		case c == '"':
			v.At++
			return true
		case c != '\\' || !v.escape(): // a control character or the end of the text
			return false
		}
	}
}

// escape reads a backslash and the characters of its escape.
func (v *validator) escape() bool {
	v.At++
	c := v.Peek()
	v.At++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			c := v.Peek() | 0x20
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') || v.Peek() < '0' {
				return false
			}
			v.At++
		}
		return true
	}
	return false
}

// plain returns the number of bytes before the first quotation mark, backslash or control character. It reads 32 bytes at a
// time, and then eight.
func plain(b []byte) int {
	i := 0
	for ; i+32 <= len(b); i += 32 {
		w := b[i : i+32 : i+32]
		if special(binary.LittleEndian.Uint64(w))|special(binary.LittleEndian.Uint64(w[8:]))|
			special(binary.LittleEndian.Uint64(w[16:]))|special(binary.LittleEndian.Uint64(w[24:])) != 0 {
			break
		}
	}
	for ; i+8 <= len(b); i += 8 {
		// The lowest marked byte is exact; only bytes above it can be marked by a borrow.
		if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
		i++
	}
	return i
}

// special marks the highest bit of the bytes of a word that are not plain.
func special(w uint64) uint64 {
	const low, high = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^('"'*low), w^('\\'*low)
	return ((quote-low)&^quote | (slash-low)&^slash | (w-' '*low)&^w) & high
}
