package inbox

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
)

// Scalars returns a function that looks up scalars in a JSON body by JSON pointer (RFC 6901) and returns them as
// text: strings as they are, numbers as written, true, false. An object, an array, null, a missing value and a body
// that is not JSON yield false. The body is parsed once, at the first call; a leading byte order mark is ignored.
// The function may be called by several goroutines.
func Scalars(body []byte) func(pointer string) (string, bool) {
	parse := sync.OnceValue(func() any {
		dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))))
		dec.UseNumber()
		var root any
		if dec.Decode(&root) != nil {
			return nil
		}
		return root
	})
	return func(pointer string) (string, bool) { return scalar(Resolve(parse(), pointer)) }
}

// Resolve returns the value at a JSON pointer in a decoded document, nil when there is none.
func Resolve(doc any, pointer string) any {
	if pointer == "" {
		return doc
	}
	if !strings.HasPrefix(pointer, "/") {
		return nil
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for _, token := range strings.Split(pointer[1:], "/") {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[unescape.Replace(token)]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(v) || strconv.Itoa(i) != token {
				return nil
			}
			doc = v[i]
		default:
			return nil
		}
	}
	return doc
}

func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
