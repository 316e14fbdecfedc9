package qoreid

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"inbox/inbox"
)

// samples holds one body for every kind, named EVENT.TYPE.json. The people in them do not exist, and the numbers belong to
// nobody.
//
//go:embed samples/*.json
var samples embed.FS

// The placeholders in the files.
const (
	sampleID        = "4711000"
	sampleReference = "sample-ref"
	sampleName      = "Sampleson"
)

// The layouts that QoreID sends besides its present envelope. In a Kind they replace the event type.
const (
	Flat   = "flat"   // without data; the type is verification_completed
	Legacy = "legacy" // type and data; on completion only
)

// Kind is an event and event type that QoreID documents, such as workflow/verification_started. Its EventType may also
// be Flat or Legacy.
type Kind struct {
	Event     string `json:"event"`
	EventType string `json:"event_type"`
}

// String returns EVENT/TYPE, or EVENT alone.
func (k Kind) String() string {
	if k.EventType == "" {
		return k.Event
	}
	return k.Event + "/" + k.EventType
}

// InLife reports whether an event of the kind is a step of a verification's life, from started to completed. Events of the
// other layouts are not: they replace a step.
func (k Kind) InLife() bool { return rank(k.EventType) >= 0 }

// ParseKind reads EVENT or EVENT/TYPE.
func ParseKind(s string) Kind {
	event, typ, _ := strings.Cut(s, "/")
	return Kind{event, typ}
}

// Kinds returns every kind of event that has a sample: by event, and then in the order of a verification's life, with
// the other layouts first.
func Kinds() []Kind {
	var kinds []Kind
	files, _ := samples.ReadDir("samples") // embedded: cannot fail
	for _, f := range files {
		event, typ, _ := strings.Cut(strings.TrimSuffix(f.Name(), ".json"), ".")
		kinds = append(kinds, Kind{event, typ})
	}
	slices.SortStableFunc(kinds, func(a, b Kind) int {
		if c := strings.Compare(a.Event, b.Event); c != 0 {
			return c
		}
		return rank(a.EventType) - rank(b.EventType)
	})
	return kinds
}

// Sample returns the body of an event of a kind about the verification with the id, as QoreID documents and would send it. Two
// calls with the same arguments return the same body. An empty event type means the last step of the event's life. The
// error is Invalid, with a hint that lists the kinds.
func Sample(k Kind, id int64, reference string) ([]byte, error) {
	var found *Kind
	kinds := Kinds()
	for i := range kinds {
		if kinds[i].Event == k.Event && (k.EventType == "" || kinds[i].EventType == k.EventType) {
			found = &kinds[i]
		}
	}
	if found == nil {
		var known []string
		for _, k := range kinds {
			known = append(known, k.String())
		}
		err := inbox.Errorf(inbox.Invalid, "", "there is no sample of %s", k)
		if near := inbox.Nearest(k.String(), known); near != "" {
			return nil, err.WithHint("did you mean " + near + "? There are: " + strings.Join(known, ", "))
		}
		return nil, err.WithHint("there are: " + strings.Join(known, ", "))
	}
	text, _ := samples.ReadFile("samples/" + found.Event + "." + found.EventType + ".json") // listed: cannot fail
	var body bytes.Buffer
	_ = json.Compact(&body, text) // valid: a test reads every sample
	quoted := quote(reference)
	return []byte(strings.NewReplacer(
		sampleID, strconv.FormatInt(id, 10), sampleReference, string(quoted[1:len(quoted)-1]), sampleName, invented(id),
	).Replace(body.String())), nil
}

// invented returns a first name, so that a reader can tell verifications apart.
func invented(id int64) string {
	names := []string{"Testina", "Mockson", "Dummara", "Fakunle", "Examplia", "Placeholda", "Specimena"}
	return names[uint64(id)%uint64(len(names))]
}

// Fresh returns a random id of twelve digits and a customer reference, which very likely no verification has had yet.
func Fresh() (id int64, reference string) {
	const least, ids = 1e11, 9e11
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return least + int64(binary.BigEndian.Uint64(b[:8])%ids), "sample-" + hex.EncodeToString(b[8:])
}

// quote returns a text as a JSON string, with < > & as they are.
func quote(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string cannot fail
	return bytes.TrimSpace(b.Bytes())
}
