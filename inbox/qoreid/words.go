package qoreid

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"inbox/inbox"
	"inbox/inbox/rawjson"
)

// QoreID's names for the steps in the life of a verification.
const (
	started       = "verification_started"
	stepStarted   = "step_verification_started"
	stepCompleted = "step_verification_completed"
	completed     = "verification_completed"
)

// rank returns the position of an event type in the life of a verification, -1 for an unknown type.
func rank(eventType string) int {
	switch inbox.Fold(eventType) {
	case started:
		return 0
	case stepStarted:
		return 1
	case stepCompleted:
		return 2
	case completed:
		return 3
	}
	return -1
}

// verdicts maps the folded words of a status to their verdicts; docs/PLUGIN-ABI.md lists the same.
var verdicts = map[string]inbox.Verdict{
	"verified": inbox.Passed, "id_verified": inbox.Passed, "exact_match": inbox.Passed,
	"unverified": inbox.Failed, "not_verified": inbox.Failed, "no_match": inbox.Failed, "wrong_address": inbox.Failed, "invalid_address": inbox.Failed,
	"in_progress": inbox.Pending, "pending": inbox.Pending,
}

// KnowsStatus reports whether a word is a known status or a verdict. Payloads may have others, which have no meaning here.
func KnowsStatus(word string) bool {
	_, known := verdicts[inbox.Fold(word)]
	switch v := inbox.Verdict(inbox.Fold(word)); v {
	case inbox.Passed, inbox.Failed, inbox.Pending, inbox.Unknown:
		known = true
	}
	return known
}

// verdict returns the verdict of a status and state. A complete state alone is not passed, a status passes only in a complete
// state, and an unknown status is not failed.
func verdict(status, state string) inbox.Verdict {
	v, known := verdicts[inbox.Fold(status)]
	if s := inbox.Fold(state); !known || (v == inbox.Passed && s != "complete" && s != "completed") {
		return inbox.Unknown
	}
	return v
}

// isState reports whether a word is a state. A "state" beside an address is a part of the country.
func isState(word string) bool {
	switch inbox.Fold(word) {
	case "complete", "completed", "in_progress", "pending":
		return true
	}
	return false
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// longest is the number of bytes to which a text from a body is cut.
const longest = 200

// short cuts a text. A cut text gets a digest, so that two long texts stay different. Characters that must not reach a
// terminal are replaced.
func short(s string) string {
	s = strings.Map(func(r rune) rune {
		if inbox.Unprintable(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
	if len(s) <= longest {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return strings.ToValidUTF8(s[:longest], "") + "~" + hex.EncodeToString(sum[:8])
}

// word returns a string, number or boolean as text, and "" for null, an object, an array and a missing value.
func word(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	switch raw[0] {
	case '"':
		return text(raw)
	case '{', '[', 'n':
		return ""
	}
	return short(string(raw))
}

// text returns the decoded text of a string, and "" for other values.
func text(raw []byte) string {
	if len(raw) == 0 || raw[0] != '"' {
		return ""
	}
	return short(string(rawjson.Unquote(raw)))
}
