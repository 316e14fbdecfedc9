package operator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"inbox/inbox"
)

// What of a payload is shown: the keep-list is event, event_type, id, customerReference, status and summary.*.status,
// at the root and in data. Every other value shows as its type and length, and a name that does not look like the
// name of a field, and so may be a value itself, as its length.

// level is where in a body the masking stands.
type level int

const (
	levelRoot    level = iota // the body, or its data
	levelData                 // data: as the root, but for data
	levelStatus               // the object status
	levelSummary              // the object summary
	levelCheck                // an object in summary
	levelOther                // all else
)

// shownLength is the longest text of the keep-list that is shown: no status is longer.
const shownLength = 256

var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z_]{0,40}[0-9]{0,2}$`)

func (l level) shows(name string) bool {
	switch l {
	case levelRoot, levelData:
		return slices.Contains([]string{"event", "event_type", "id", "customerReference", "status"}, name)
	case levelStatus:
		return slices.Contains([]string{"status", "subStatus", "state"}, name)
	case levelCheck:
		return name == "status"
	}
	return false
}

func (l level) inner(name string) level {
	switch {
	case l == levelRoot && name == "data":
		return levelData
	case l <= levelData && name == "status":
		return levelStatus
	case l <= levelData && name == "summary":
		return levelSummary
	case l == levelSummary:
		return levelCheck
	}
	return levelOther
}

// maskBody returns a body as it is shown: JSON with its fields in their order, or one text for what is not JSON.
func maskBody(body []byte) json.RawMessage {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !json.Valid(body) { // also what is nested so deeply that walking it would be unwise
		return quote(fmt.Sprintf("[%d bytes that are not JSON]", len(body)))
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var out bytes.Buffer
	if err := maskValue(dec, &out, levelRoot, false); err != nil {
		return quote(fmt.Sprintf("[%d bytes that are not JSON]", len(body)))
	}
	return out.Bytes()
}

// maskValue copies the next value of dec, masked unless it is a single one that is shown.
func maskValue(dec *json.Decoder, out *bytes.Buffer, at level, shown bool) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	delim, composed := token.(json.Delim)
	if !composed {
		out.Write(maskScalar(token, shown))
		return nil
	}
	out.WriteByte(byte(delim))
	for n := 0; dec.More(); n++ {
		if n > 0 {
			out.WriteByte(',')
		}
		inner, innerShown := levelOther, false
		if delim == '{' {
			token, err := dec.Token()
			if err != nil {
				return err
			}
			name, _ := token.(string)
			inner, innerShown = at.inner(name), at.shows(name)
			out.Write(maskName(name))
			out.WriteByte(':')
		}
		if err := maskValue(dec, out, inner, innerShown); err != nil {
			return err
		}
	}
	out.WriteByte(byte(delim) + 2) // the closing one
	_, err = dec.Token()
	return err
}

func maskName(name string) []byte {
	if fieldName.MatchString(name) {
		return quote(name)
	}
	return quote(fmt.Sprintf("[name:%d]", utf8.RuneCountInString(name)))
}

func maskScalar(token json.Token, shown bool) []byte {
	switch v := token.(type) {
	case string:
		if shown && len(v) <= shownLength {
			return quote(v)
		}
		return quote(maskText(v))
	case json.Number:
		if shown && len(v) <= shownLength {
			return []byte(v)
		}
		return quote(fmt.Sprintf("[number:%d]", len(v)))
	case bool:
		if shown {
			return fmt.Append(nil, v)
		}
		return quote("[boolean]")
	}
	return []byte("null") // says nothing
}

// maskText is what is shown of a text.
func maskText(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("[string:%d]", utf8.RuneCountInString(text))
}

func quote(text string) []byte {
	out, err := json.Marshal(text)
	if err != nil { // cannot happen: a string
		return []byte(`""`)
	}
	return out
}

// shownHeaders are those whose values are shown: they say how the body came, not what is in it.
func shownHeaders() []string {
	return []string{"content-type", "content-length", "content-encoding", "user-agent"}
}

func maskHeaders(headers []inbox.Header) []inbox.Header {
	out := make([]inbox.Header, 0, len(headers))
	for _, h := range headers {
		if !slices.Contains(shownHeaders(), strings.ToLower(h.Name)) || len(h.Value) > shownLength {
			h.Value = maskText(h.Value)
		}
		out = append(out, h)
	}
	return out
}

// maskReason is what is shown of an attempt's reason: what the host says of it. What follows the host's words is what a plugin
// said, or what it wrote instead of a result, and may hold anything: three dots stand for it.
func maskReason(reason string, hostWords int) string {
	switch hostWords = min(max(hostWords, 0), len(reason)); {
	case hostWords == 0:
		return maskText(reason)
	case hostWords < len(reason):
		return reason[:hostWords] + ": …"
	}
	return reason
}
