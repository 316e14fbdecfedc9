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

// Masking shows these fields of a payload: event, event_type, id, customerReference, status and summary.*.status, at the root
// and in data. Any other value is replaced by its type and length. A name that does not look like a field name may be a value
// itself, so it is replaced by its length.

// level is the position of the masking in a body.
type level int

const (
	levelRoot    level = iota // the body, or its data
	levelData                 // data: as the root, but for data
	levelStatus               // the object status
	levelSummary              // the object summary
	levelCheck                // an object in summary
	levelOther                // all else
)

// shownLength bounds the texts that are shown, in bytes. No status is longer.
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

// maskBody returns a masked body: JSON with its fields in their order, or one text for a body that is not JSON.
func maskBody(body []byte) json.RawMessage { return maskJSON(body, levelRoot) }

// maskDocument returns a masked state document. It shows no value, because any plugin chooses the names in its documents: an "id"
// may be a number of a passport.
func maskDocument(document []byte) json.RawMessage { return maskJSON(document, levelOther) }

// maskPointer returns the steps of a JSON pointer with masked names.
func maskPointer(steps []inbox.PointerStep) []inbox.PointerStep {
	out := slices.Clone(steps)
	for i := range out {
		if !out[i].Element && !fieldName.MatchString(out[i].Token) {
			out[i].Token = maskedName(out[i].Token)
		}
	}
	return out
}

func maskJSON(body []byte, at level) json.RawMessage {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !json.Valid(body) { // also false for JSON nested too deeply to walk
		return quote(fmt.Sprintf("[%d bytes that are not JSON]", len(body)))
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var out bytes.Buffer
	if err := maskValue(dec, &out, at, false); err != nil {
		return quote(fmt.Sprintf("[%d bytes that are not JSON]", len(body)))
	}
	return out.Bytes()
}

// maskValue copies the next value of dec. It masks scalars unless shown is true.
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
	return quote(maskedName(name))
}

func maskedName(name string) string { return fmt.Sprintf("[name:%d]", utf8.RuneCountInString(name)) }

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
	return []byte("null") // reveals nothing
}

// maskText returns the masked form of a text: its length in characters.
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

// shownHeaders returns the headers whose values are shown. They describe the transfer of the body, not its content.
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

// maskReason returns the masked form of an attempt's reason: the first hostWords bytes, which the host wrote. The rest comes from
// the plugin and may hold anything, so it is replaced by three dots.
func maskReason(reason string, hostWords int) string {
	switch hostWords = min(max(hostWords, 0), len(reason)); {
	case hostWords == 0:
		return maskText(reason)
	case hostWords < len(reason):
		return reason[:hostWords] + ": …"
	}
	return reason
}
