package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"inbox/inbox"
	"inbox/inbox/rawjson"
	"inbox/sdk/abi"
)

// jsonSpace is the white space of JSON (RFC 8259, section 2). Other Unicode white space counts as output.
const jsonSpace = " \t\r\n"

// parseResult parses the output of an attempt. Empty output, or output of JSON white space only, means ok. Output that is not a
// result of the contract is a failure: a bug must not acknowledge an event.
func parseResult(output []byte) inbox.Outcome {
	text := bytes.Trim(output, jsonSpace)
	if len(text) == 0 {
		return inbox.Outcome{Result: inbox.OK}
	}
	if why := notAnObject(text); why != "" {
		return quoted(failure(inbox.BadResult, "%s", why), text)
	}
	if !rawjson.Valid(text) {
		return notOneObject(text)
	}
	fields, bad := members(text, object{"its result", "a result", resultKeys})
	if bad != nil {
		return *bad
	}
	return outcomeOfMembers(fields)
}

// notOneObject returns the failure for output that begins like an object and is not JSON, or goes on after the object.
func notOneObject(text []byte) inbox.Outcome {
	dec := json.NewDecoder(bytes.NewReader(text))
	var whole json.RawMessage
	if err := dec.Decode(&whole); err != nil {
		return quoted(failure(inbox.BadResult, "%s", notJSON(err)), text)
	}
	rest := bytes.Trim(text[dec.InputOffset():], jsonSpace)
	why := "its output goes on after the result (a log belongs on standard error)"
	if len(rest) > 0 && rest[0] == '{' {
		why = "its output goes on after the result with another; an event has one (a log belongs on standard error)"
	}
	return quoted(failure(inbox.BadResult, "%s", why), rest)
}

// notAnObject returns the reason, in the manual's words, if output does not begin with an object; else "".
func notAnObject(text []byte) string {
	const onStderr = " (a log belongs on standard error)"
	switch {
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return "its output begins with a byte order mark, so that it is not a result; write UTF-8 without the mark"
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")), bytes.HasPrefix(text, []byte("{\x00")), bytes.HasPrefix(text, []byte("\x00{")):
		return "its output is UTF-16, so that it is not a result; write UTF-8"
	case text[0] == '{':
		return ""
	case json.Valid(text):
		return "its output is " + kindOf(text) + ` and not a result, which is a JSON object such as {"outcome":"ok"}` + onStderr
	case text[0] == 0:
		return "its output begins with a byte of zero and is not a result, which is a JSON object" + onStderr
	}
	return "its output is not a result, which is a JSON object" + onStderr
}

// kindOf names a JSON value.
func kindOf(value []byte) string {
	switch value[0] {
	case '"':
		return "a text"
	case '[':
		return "a list"
	case '{':
		return "an object"
	case 't', 'f', 'n':
		return string(value)
	}
	return "a number"
}

// notJSON returns the reason why an object is not JSON.
func notJSON(err error) string {
	const onStderr = "(a log belongs on standard error)"
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "its output is not a result: the JSON object ends in the middle " + onStderr
	case errors.As(err, &syntax) && strings.Contains(syntax.Error(), "max depth"):
		return "its output is not a result: its lists and objects are nested more than 10000 deep " + onStderr
	case errors.As(err, &syntax):
		return fmt.Sprintf("its output is not a result: in JSON its byte %d does not belong there %s", syntax.Offset, onStderr)
	}
	return "its output is not a result: it is not JSON " + onStderr
}

// quoted appends output of the plugin to the reason, after the host's own words.
func quoted(out inbox.Outcome, text []byte) inbox.Outcome {
	const most = 100 // bytes: enough to recognise it
	tail := ""
	if len(text) > most {
		text, tail = text[:most], "…"
	}
	out.Reason += fmt.Sprintf(": %q", text) + tail
	return out
}

// resultKeys are the keys of a result.
var resultKeys = []string{"outcome", "reason", "retry_after", "state", "emit", "http"}

// object describes a JSON object that a plugin writes.
type object struct {
	its, any string // what it is: "its result", "a result"
	keys     []string
}

// members returns the members of a JSON object, or a failure for an unknown or repeated key. Readers disagree which of two
// equal keys counts. The text is valid JSON, and the values share its memory.
func members(text []byte, o object) (map[string]json.RawMessage, *inbox.Outcome) {
	fields := make(map[string]json.RawMessage, len(o.keys))
	for name, value := range rawjson.Members(text) {
		key := string(name)
		if _, twice := fields[key]; twice {
			out := failure(inbox.BadResult, "%s has %q twice", o.its, key)
			return nil, &out
		}
		if !slices.Contains(o.keys, key) {
			out := o.unknownKey(strings.ToValidUTF8(key, "\ufffd"))
			return nil, &out
		}
		fields[key] = value.Of(text)
	}
	return fields, nil
}

// unknownKey returns the failure for a key that the contract does not have.
func (o object) unknownKey(key string) inbox.Outcome {
	for _, known := range o.keys {
		if strings.EqualFold(key, known) {
			return failure(inbox.BadResult, "%s has %q in other letters than the contract has, which is %q", o.its, key, known)
		}
	}
	meant := fmt.Sprintf("%s has %s", o.any, strings.Join(o.keys[:3], ", "))
	if near := nearest(key, o.keys); near != "" {
		meant = fmt.Sprintf("did you mean %q?", near)
	}
	return quoted(failure(inbox.BadResult, "%s has a key that the contract does not have; %s", o.its, meant), []byte(key))
}

// outcomeOfMembers turns the members of a result into an outcome.
func outcomeOfMembers(fields map[string]json.RawMessage) inbox.Outcome {
	var word, reason, wait string
	for _, one := range []struct {
		key, example string
		to           *string
	}{{"outcome", `"ok"`, &word}, {"reason", `"no such client"`, &reason}, {"retry_after", `"30s"`, &wait}} {
		if value := fields[one.key]; isSet(value) && !textOf(value, one.to) {
			return quoted(failure(inbox.BadResult, "its %s is %s and not a text such as %s", one.key, kindOf(value), one.example), value)
		}
	}
	result, bad := outcomeOf(word)
	if bad != nil {
		return *bad
	}
	out := inbox.Outcome{Result: result, Reason: clip(reason)}
	if state, ok := fields["state"]; ok {
		if bad := keepState(&out, state); bad != nil {
			return *bad
		}
	}
	if list := fields["emit"]; isSet(list) {
		if bad := keepEmissions(&out, list); bad != nil {
			return *bad
		}
	}
	if list := fields["http"]; isSet(list) {
		if bad := keepRequests(&out, list); bad != nil {
			return *bad
		}
	}
	return withWait(out, wait)
}

// textOf stores the text of a JSON value, and returns false for another value.
func textOf(value json.RawMessage, to *string) bool {
	if value[0] != '"' {
		return false
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		*to = string(inner)
		return true
	}
	return json.Unmarshal(value, to) == nil
}

// withWait adds the retry_after of a result to its outcome.
func withWait(out inbox.Outcome, wait string) inbox.Outcome {
	if wait == "" {
		return out
	}
	after, err := time.ParseDuration(wait)
	switch {
	case err != nil || after < 0:
		return quoted(failure(inbox.BadResult, `its retry_after is not a duration such as "30s", "10m" or "1h30m"`), []byte(wait))
	case out.Result != inbox.Retry:
		return failure(inbox.BadResult, "its result has a retry_after with the outcome %q; only retry has one", out.Result)
	}
	out.RetryAfter = after
	return out
}

// keepState adds the state of a result to its outcome. null deletes the document.
func keepState(out *inbox.Outcome, state json.RawMessage) *inbox.Outcome {
	change := &inbox.StateChange{}
	if isSet(state) {
		change.Document = bytes.Clone(state)
	}
	var bad inbox.Outcome
	switch {
	case len(state) > inbox.MaxState:
		bad = failure(inbox.Output, "its state has %d bytes; a state document has at most %d", len(state), inbox.MaxState)
	case !utf8.Valid(state):
		bad = failure(inbox.BadResult, "its state is not UTF-8")
	default:
		effectsOf(out).State = change
		return nil
	}
	return &bad
}

// isSet reports whether a member exists and is not null.
func isSet(value json.RawMessage) bool { return len(value) > 0 && string(value) != "null" }

// outcomeOf returns the result for an outcome word of the contract, or a failure for another word.
func outcomeOf(word string) (inbox.Result, *inbox.Outcome) {
	switch word {
	case abi.OutcomeOK, abi.OutcomeSkip, abi.OutcomeRetry, abi.OutcomeReject:
		return inbox.Result(word), nil
	}
	words := []string{abi.OutcomeOK, abi.OutcomeSkip, abi.OutcomeRetry, abi.OutcomeReject}
	all := strings.Join(words, ", ")
	var bad inbox.Outcome
	switch {
	case word == "":
		bad = failure(inbox.BadResult, "its result has no outcome, which is one of %s", all)
	case slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, word) }):
		bad = failure(inbox.BadResult, "its result has the outcome %q, which is written in small letters", word)
	default:
		meant := "it is one of " + all
		if near := nearest(word, words); near != "" {
			meant = fmt.Sprintf("did you mean %q?", near)
		}
		bad = quoted(failure(inbox.BadResult, "its result has an unknown outcome; %s", meant), []byte(word))
	}
	return "", &bad
}

// nearest returns the word that a plugin probably meant. It skips long words: the comparison takes time by their length, which
// the plugin does not pay for.
func nearest(word string, words []string) string {
	if len(word) > 32 {
		return ""
	}
	return inbox.Nearest(strings.ToLower(word), words)
}
