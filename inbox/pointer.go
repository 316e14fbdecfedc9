package inbox

import (
	"bytes"
	"sync"

	"inbox/inbox/rawjson"
)

// Scalar is a text, a number, true or false in a JSON body.
type Scalar struct {
	Text   string // texts as they are with invalid UTF-8 as U+FFFD, numbers as written, true, false
	Number bool   // it is a number
}

// Lookup returns the scalar at a JSON pointer (RFC 6901) of a body, and false without one.
type Lookup func(pointer string) (Scalar, bool)

// Text returns the scalar at a pointer as text.
func (at Lookup) Text(pointer string) (string, bool) {
	v, ok := at(pointer)
	return v.Text, ok
}

// Scalars returns a function that looks up scalars in a JSON body. An object, an array, null, a missing value and a body that
// is not JSON yield false; of members with the same name the last counts. The body is validated once, at the first call, and
// not decoded; a leading byte order mark is ignored. The function may be called by several goroutines.
func Scalars(body []byte) Lookup {
	text := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	valid := sync.OnceValue(func() bool { return rawjson.Valid(text) })
	return func(pointer string) (Scalar, bool) {
		if !valid() {
			return Scalar{}, false
		}
		at, ok := rawjson.Find(text, pointer)
		if !ok {
			return Scalar{}, false
		}
		return scalar(at.Of(text))
	}
}

func scalar(raw []byte) (Scalar, bool) {
	switch raw[0] {
	case '"':
		return Scalar{Text: string(bytes.Runes(rawjson.Unquote(raw)))}, true
	case '{', '[', 'n':
		return Scalar{}, false
	}
	return Scalar{Text: string(raw), Number: raw[0] != 't' && raw[0] != 'f'}, true
}
