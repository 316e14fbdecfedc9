package qoreid

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"inbox/inbox"
)

// NormVersion is the number of this way of reading bodies. It grows when the same body would be read otherwise.
const NormVersion = 1

// KeyBy says what orders the events of a source.
type KeyBy string

// The choices.
const (
	ByID        KeyBy = "id"                 // the verification (the default)
	ByReference KeyBy = "customer_reference" // the customer, when the payload names one
)

// Rules are what a source says about the reading of its bodies.
type Rules struct {
	Source string
	KeyBy  KeyBy
	Maps   []Map
}

// Map tells, for one event or for all with an empty name, where things stand in bodies that are not as documented:
// JSON pointers from the root. An empty pointer, or one to nothing, leaves the usual reading.
type Map struct {
	Event, Key, Status, State, CustomerReference string
}

// ranks are the places of QoreID's event types in the life of a verification.
var ranks = map[string]int{
	"verification_started": 0, "step_verification_started": 1, "step_verification_completed": 2, "verification_completed": 3,
}

// Read reads a body. It never fails: a body that is not JSON, or names no event, is the event "unknown". Of duplicate
// keys the last counts, as in JavaScript; keys are told apart by case.
func Read(body []byte, rules Rules) inbox.View {
	v := inbox.View{Event: inbox.UnknownEvent, Verdict: inbox.Unknown, Rank: -1, NormVersion: NormVersion}
	text := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !json.Valid(text) {
		return v
	}
	root := members(text)
	data := root
	if d := members(root["data"]); d != nil {
		data = d
	}
	switch event, legacy := word(root["event"]), word(root["type"]); {
	case event != "":
		v.Event, v.EventType = event, word(root["event_type"])
	case legacy != "" && root["event_type"] == nil && root["data"] != nil:
		v.Event, v.EventType = legacy, "verification_completed" // the old service sent on completion only
	}
	if rank, ok := ranks[v.EventType]; ok {
		v.Rank = rank
	}
	v.ExternalID = word(data["id"])
	v.CustomerReference = first(word(data["customerReference"]), word(root["customerReference"]))
	readStatus(&v, root, data)
	override(&v, text, rules.Maps)
	if v.Key != "" {
		v.Key = rules.Source + "/map:" + v.Key
	} else {
		v.Key = key(&v, rules, word(data["reference"]))
	}
	v.Verdict = verdict(v.Status, v.State)
	return v
}

// readStatus finds the status where the event's kind keeps it: beside the id, or inside the object named as the event.
func readStatus(v *inbox.View, root, data map[string][]byte) {
	product := members(data[v.Event])
	for _, raw := range [][]byte{data["status"], product["status"], root["status"]} {
		if s := members(raw); s != nil {
			v.Status = first(word(s["status"]), word(s["label"]), word(s["code"]))
			v.State = first(word(s["state"]), word(s["stateLabel"]), word(s["stateCode"]))
			v.SubStatus = word(s["subStatus"])
		} else {
			v.Status = word(raw)
		}
		if v.Status != "" || v.State != "" {
			if v.State == "" {
				v.State = word(data["state"])
			}
			break
		}
	}
	for _, raw := range [][]byte{data["isDuplicate"], product["isDuplicate"]} {
		if text := strings.ToLower(word(raw)); text == "true" {
			v.SaysDuplicate = true
		}
	}
}

// override applies the source's maps.
func override(v *inbox.View, text []byte, maps []Map) {
	if len(maps) == 0 {
		return
	}
	at := inbox.Scalars(text)
	set := func(field *string, pointer string) {
		if value, ok := at(pointer); ok && pointer != "" {
			*field = short(value)
		}
	}
	for _, m := range maps {
		if m.Event != "" && !inbox.Match(m.Event, v.Event) {
			continue
		}
		set(&v.Key, m.Key)
		set(&v.Status, m.Status)
		set(&v.State, m.State)
		set(&v.CustomerReference, m.CustomerReference)
	}
}

// key makes the ordering key. Empty means that nothing orders the event.
func key(v *inbox.View, rules Rules, reference string) string {
	own := rules.Source + "/" + v.Event + "/"
	switch {
	case v.Event == inbox.UnknownEvent:
		return ""
	case rules.KeyBy == ByReference && v.CustomerReference != "":
		return rules.Source + "/ref:" + v.CustomerReference // of all events: it is the customer's lane
	case v.ExternalID != "":
		return own + v.ExternalID
	case v.CustomerReference != "":
		return own + "ref:" + v.CustomerReference
	case reference != "":
		return own + "reference:" + reference
	}
	return ""
}

// verdict sums up what a verification came to. Complete is not passed, and what is not known is not failed.
func verdict(status, state string) inbox.Verdict {
	switch inbox.Fold(status) {
	case "verified", "id_verified", "exact_match":
		if s := inbox.Fold(state); s == "complete" || s == "completed" {
			return inbox.Passed
		}
	case "unverified", "not_verified", "no_match", "wrong_address", "invalid_address":
		return inbox.Failed
	case "in_progress", "pending":
		return inbox.Pending
	}
	return inbox.Unknown
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// longest is how much of a text from a body is kept outside of it.
const longest = 200

// short bounds a text. What is cut keeps a digest, so that two long texts stay two.
func short(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\ufffd' // control characters have no business in a key, and would play with terminals
		}
		return r
	}, s)
	if len(s) <= longest {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return strings.ToValidUTF8(s[:longest], "") + "~" + hex.EncodeToString(sum[:8])
}

// word returns a string or number as text, true and false as such, and "" for anything else.
func word(raw []byte) string {
	switch {
	case len(raw) == 0:
		return ""
	case raw[0] == '"':
		if plain := raw[1 : len(raw)-1]; bytes.IndexByte(plain, '\\') < 0 {
			return short(string(plain))
		}
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return short(s)
	case raw[0] == '-' || raw[0] == 't' || raw[0] == 'f' || (raw[0] >= '0' && raw[0] <= '9'):
		return short(string(raw))
	}
	return ""
}
