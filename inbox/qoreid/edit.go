package qoreid

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"inbox/inbox"
	"inbox/inbox/rawjson"
)

// Set sets the value at a JSON pointer (RFC 6901) of a body, and creates missing objects; "-" appends to an array. A value that
// is JSON is inserted as it is, any other text as a string. All other bytes stay the same: the order of members, the
// spelling of numbers, spaces. An empty pointer means the whole body. Errors are Invalid.
func Set(body []byte, pointer, value string) ([]byte, error) {
	fail := func(cause error) ([]byte, error) {
		return nil, inbox.Errorf(inbox.Invalid, "set "+strconv.Quote(pointer), "%w", cause)
	}
	path, ok := rawjson.Tokens(pointer)
	if !ok {
		return fail(errors.New("a JSON pointer begins with a slash, as in /data/status/status"))
	}
	if !rawjson.Valid(body) {
		return fail(errors.New("the body is not JSON"))
	}
	leaf := []byte(value)
	if !rawjson.Valid(leaf) {
		leaf = quote(value)
	}
	at := rawjson.Whole(body)
	for i, token := range path {
		in, ok := rawjson.Child(body, at, token)
		if ok {
			at = in
			continue
		}
		added, err := insertion(at.Of(body), path[i:], leaf)
		if err != nil {
			return fail(err)
		}
		end := at.To - 1 // before the closing bracket
		return slices.Concat(body[:end], added, body[end:]), nil
	}
	return slices.Concat(body[:at.From], leaf, body[at.To:]), nil
}

// insertion returns the text that is appended to an object or array so that the leaf is at the path. The error says why the
// leaf cannot be added.
func insertion(into []byte, path []string, leaf []byte) ([]byte, error) {
	token := path[0]
	comma := ""
	if inner := (rawjson.Scan{Text: into}); inner.Enter(into[0]) {
		comma = ","
	}
	rest := nest(path[1:], leaf)
	switch {
	case into[0] == '{':
		return slices.Concat([]byte(comma), quote(token), []byte(":"), rest), nil
	case into[0] != '[':
		return nil, fmt.Errorf("there is a plain value on the way to %q", token)
	case token != "-":
		return nil, fmt.Errorf(`the array has no element %q; "-" adds one`, token)
	}
	return slices.Concat([]byte(comma), rest), nil
}

// nest wraps a leaf into new objects.
func nest(path []string, leaf []byte) []byte {
	var b strings.Builder
	for _, token := range path {
		b.WriteByte('{')
		b.Write(quote(token))
		b.WriteByte(':')
	}
	b.Write(leaf)
	b.WriteString(strings.Repeat("}", len(path)))
	return []byte(b.String())
}
