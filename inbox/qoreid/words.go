package qoreid

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"inbox/inbox"
	"inbox/inbox/rawjson"
)

// What QoreID calls the steps in the life of a verification.
const (
	started       = "verification_started"
	stepStarted   = "step_verification_started"
	stepCompleted = "step_verification_completed"
	completed     = "verification_completed"
)

// rank returns the place of an event type in the life of a verification, -1 for an unknown one.
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

// verdicts is what the words of a status mean, folded; docs/PLUGIN-ABI.md lists the same.
var verdicts = map[string]inbox.Verdict{
	"verified": inbox.Passed, "id_verified": inbox.Passed, "exact_match": inbox.Passed,
	"unverified": inbox.Failed, "not_verified": inbox.Failed, "no_match": inbox.Failed, "wrong_address": inbox.Failed, "invalid_address": inbox.Failed,
	"in_progress": inbox.Pending, "pending": inbox.Pending,
}

// KnowsStatus reports whether a word is a status with a meaning, or a verdict. Payloads may have others, which mean nothing here.
func KnowsStatus(word string) bool {
	_, known := verdicts[inbox.Fold(word)]
	switch v := inbox.Verdict(inbox.Fold(word)); v {
	case inbox.Passed, inbox.Failed, inbox.Pending, inbox.Unknown:
		known = true
	}
	return known
}

// verdict sums up what a verification came to. Complete is not passed, passed is so only in a complete state, and what is not
// known is not failed.
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

// longest is how many bytes of a text from a body are kept outside of it.
const longest = 200

// short bounds a text. What is cut keeps a digest, so that two long texts stay two. Characters that must not reach a
// terminal have no business in a key.
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

// word returns a string or number as text, true and false as such, and "" for null, an object, an array and nothing.
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

// text returns what a string says, and "" for anything else.
func text(raw []byte) string {
	if len(raw) == 0 || raw[0] != '"' {
		return ""
	}
	return short(string(rawjson.Unquote(raw)))
}
