package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Read returns the text at a JSON pointer of the body, such as /data/photo, whether it is in the body or was withheld because it
// is long. The empty pointer means the whole body, also when it is not JSON. Read returns an error when the pointer has no
// text, when the plugin's [data] fields do not show it, and when the event was answered already.
func (e *Event) Read(pointer string) ([]byte, error) {
	text, err := e.read(pointer)
	if err != nil {
		return nil, fmt.Errorf("read %q of event %s: %w", pointer, e.ID, err)
	}
	return text, nil
}

var errNoText = errors.New("there is no text, or it is not shown")

func (e *Event) read(pointer string) ([]byte, error) {
	if e.over {
		return nil, errors.New("the event was answered already")
	}
	for _, w := range e.Withheld {
		if w.Pointer == pointer {
			return readWithheld(w)
		}
	}
	if pointer == "" && e.Body == nil && e.BodyBase64 != nil {
		return e.BodyBase64, nil
	}
	raw, err := find(e.Body, pointer)
	if err != nil {
		return nil, err
	}
	var text *string
	if json.Unmarshal(raw, &text) != nil || text == nil {
		return nil, errNoText
	}
	return []byte(*text), nil
}

// find returns the value at a JSON pointer (RFC 6901).
func find(raw json.RawMessage, pointer string) (json.RawMessage, error) {
	if pointer == "" {
		return raw, nil
	}
	rest, ok := strings.CutPrefix(pointer, "/")
	if !ok {
		return nil, errors.New("a JSON pointer begins with a slash, as in /data/photo")
	}
	for token := range strings.SplitSeq(rest, "/") {
		raw = child(raw, strings.NewReplacer("~1", "/", "~0", "~").Replace(token))
	}
	return raw, nil
}

// child returns a member or element, nil when it is missing.
func child(raw json.RawMessage, token string) json.RawMessage {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		var list []json.RawMessage
		i, err := strconv.Atoi(token)
		if err != nil || json.Unmarshal(raw, &list) != nil || i < 0 || i >= len(list) || strconv.Itoa(i) != token {
			return nil
		}
		return list[i]
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	return members[token]
}
