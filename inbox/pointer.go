package inbox

import (
	"bytes"
	"sync"

	"inbox/inbox/rawjson"
)

// Scalars returns a function that looks up scalars in a JSON body by JSON pointer (RFC 6901) and returns them as
// text: strings as they are with invalid UTF-8 as U+FFFD, numbers as written, true, false. An object, an array, null, a
// missing value and a body that is not JSON yield false; of members with the same name the last counts. The body is
// validated once, at the first call, and not decoded; a leading byte order mark is ignored. The function may be called by
// several goroutines.
func Scalars(body []byte) func(pointer string) (string, bool) {
	text := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	valid := sync.OnceValue(func() bool { return rawjson.Valid(text) })
	return func(pointer string) (string, bool) {
		if !valid() {
			return "", false
		}
		at, ok := rawjson.Find(text, pointer)
		if !ok {
			return "", false
		}
		return scalar(at.Of(text))
	}
}

func scalar(raw []byte) (string, bool) {
	switch raw[0] {
	case '"':
		return string(bytes.Runes(rawjson.Unquote(raw))), true
	case '{', '[', 'n':
		return "", false
	}
	return string(raw), true
}
