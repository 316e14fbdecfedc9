package inbox

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// LinkRequest asks that a key is tied to a customer reference that the payloads of its events do not carry.
type LinkRequest struct {
	Mode      Mode
	Key       string // of events
	Reference string
	Replace   bool // the key may be tied to another reference
	Ahead     bool // the key may have no event yet
}

// EntityLink ties a key to a customer reference. An event of the key that is stored with a seq above After, and whose payload
// carries no reference, is stored with this one. Events up to After keep their rows and their lanes; a replay sees them with the reference.
type EntityLink struct {
	Mode      Mode
	Key       string
	Reference string
	After     int64 // the newest seq when the key was linked
	At        time.Time
	Before    string   // the reference that it replaced; empty for none, and in lists
	Waiting   []string // plugins with lanes by reference that have not run all events of the key up to After
}

// maxLinkText bounds the key and the reference of a link, in bytes.
const maxLinkText = 512

// CheckLink returns an Invalid error unless a request has a mode, a key that events may have, and a reference.
func CheckLink(r *LinkRequest) error {
	switch {
	case !r.Mode.Valid():
		return Errorf(Invalid, "", "the mode is %q, not live or test", r.Mode)
	case strings.HasPrefix(r.Key, "@"):
		return Errorf(Invalid, "", "%q is the key of a lane, and not of a verification", r.Key).WithHint("`inbox entity list` shows the keys of verifications")
	}
	for name, text := range map[string]string{"key": r.Key, "customer reference": r.Reference} {
		switch {
		case strings.TrimSpace(text) != text || text == "":
			return Errorf(Invalid, "", "the %s is empty, or has spaces at an end", name)
		case len(text) > maxLinkText:
			return Errorf(Invalid, "", "the %s has %d bytes, more than %d", name, len(text), maxLinkText)
		case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
			return Errorf(Invalid, "", "the %s has control characters, or is not UTF-8", name)
		}
	}
	return nil
}
