package qoreid

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"inbox/inbox"
)

// Kind is an event and event type that QoreID documents.
type Kind struct{ Event, EventType string }

func (k Kind) String() string {
	if k.EventType == "" {
		return k.Event
	}
	return k.Event + "/" + k.EventType
}

// family is how a sample is laid out; {id} and {ref} are filled in. The people in it do not exist.
type family struct {
	kind Kind
	body string
}

const (
	applicant = `"applicant":{"firstname":"Sample","lastname":"Person","phone":"08000000000","dob":"1990-01-01","email":"sample@example.com"}`
	begun     = `"status":{"status":"IN_PROGRESS","subStatus":"IN PROGRESS","state":"IN_PROGRESS"}`
	complete  = `"status":{"status":"VERIFIED","subStatus":"VERIFIED","state":"COMPLETE"}`
)

func families() []family {
	enveloped := func(event, typ, data string) family {
		return family{Kind{event, typ}, `{"event":"` + event + `","event_type":"` + typ + `","data":{` + data + `}}`}
	}
	ref := `"id":{id},"customerReference":"{ref}"`
	list := []family{
		enveloped("identity", "verification_completed", `"id":{id},`+applicant+`,"status":{"status":"verified","state":"complete"},`+
			`"summary":{"nin_check":{"status":"EXACT_MATCH","fieldMatches":{"firstname":true,"lastname":true,"dob":true}}},`+
			`"nin":{"nin":"00000000000","firstname":"Sample","lastname":"Person","birthdate":"01-01-1990","gender":"f"}`),
		enveloped("address", "verification_completed", ref+`,"summary":null,"address":{"id":{id},"verificationTypeCode":"address",`+
			`"requestSource":"api","stateName":"Lagos","lgaName":"Ikeja","isLive":false,"isDuplicate":false,`+
			`"neighbor":{"firstname":"Sample","lastname":"Neighbour","phone":"08000000001"},`+
			`"location":{"city":"Ikeja","latitude":"6.6018","longitude":"3.3515"},`+complete+`},"reportURL":"https://reports.example.com/{id}"`),
		enveloped("employment", "verification_completed", ref+`,`+applicant+`,"employerName":"Example Ltd","jobTitle":"Clerk","currentlyEmployed":"true",`+complete),
		enveloped("property", "verification_completed", ref+`,"property":{"id":{id},"verificationTypeCode":"property","isAsset":true,`+
			`"propertyBasic":{"propertyName":"Example House","propertyType":"duplex"},"propertyLocation":{"street":"1 Example Street"},`+complete+`}`),
		enveloped("guarantor", "verification_completed", ref+`,"applicant":{"gender":["male"],"dob":"1990-01-01T00:00:00.000Z"},`+
			`"guarantor":{"id":{id},"verificationTypeCode":"guarantor","status":{"status":"UNVERIFIED","subStatus":"FAILED - INVALID ADDRESS","state":"COMPLETE"}}`),
		enveloped("workflow", "step_verification_started", ref+`,"summary":{},`+begun),
		enveloped("workflow", "step_verification_completed", ref+`,"summary":{"nin_check":{"status":"EXACT_MATCH"}},`+begun),
		enveloped("workflow", "verification_completed", ref+`,"summary":{"nin_check":{"status":"EXACT_MATCH"},"face_verification_check":{"status":"EXACT_MATCH"}},`+complete),
	}
	for _, event := range []string{"address", "employment", "property", "guarantor", "workflow"} {
		list = append(list, enveloped(event, "verification_started", ref+`,`+applicant+`,"summary":{"`+event+`_check":"IN_PROGRESS"},`+begun))
	}
	return list
}

// Kinds returns every kind of event that has a sample, by event and then in the order of a verification's life.
func Kinds() []Kind {
	var kinds []Kind
	for _, f := range families() {
		kinds = append(kinds, f.kind)
	}
	sort.Slice(kinds, func(i, j int) bool {
		if kinds[i].Event != kinds[j].Event {
			return kinds[i].Event < kinds[j].Event
		}
		return ranks[kinds[i].EventType] < ranks[kinds[j].EventType]
	})
	return kinds
}

// Sample returns the body of an event of a kind, as QoreID documents it, about the verification with the id. An empty
// event type means the last one of the event's life.
func Sample(k Kind, id int64, reference string) ([]byte, error) {
	var found *family
	var best int
	for _, f := range families() {
		if f.kind.Event != k.Event || (k.EventType != "" && f.kind.EventType != k.EventType) {
			continue
		}
		if rank := ranks[f.kind.EventType]; found == nil || rank > best {
			found, best = &f, rank
		}
	}
	if found == nil {
		var known []string
		for _, k := range Kinds() {
			known = append(known, k.String())
		}
		return nil, inbox.Errorf(inbox.Invalid, "", "there is no sample of %s", k).WithHint("there are: " + strings.Join(known, ", "))
	}
	quoted, err := json.Marshal(reference)
	if err != nil {
		return nil, fmt.Errorf("sample of %s: %w", k, err)
	}
	filled := strings.NewReplacer("{id}", strconv.FormatInt(id, 10), "{ref}", string(quoted[1:len(quoted)-1])).Replace(found.body)
	return []byte(filled), nil
}

// Set puts a value at a JSON pointer into a body, making objects on the way. A value that is JSON goes in as it is,
// any other text as a string.
func Set(body []byte, pointer, value string) ([]byte, error) {
	var root any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&root); err != nil {
		return nil, inbox.Errorf(inbox.Invalid, "set "+pointer, "the body is not JSON: %w", err)
	}
	var leaf any = value
	if json.Valid([]byte(value)) {
		leaf = json.RawMessage(value)
	}
	if !strings.HasPrefix(pointer, "/") {
		return nil, inbox.Errorf(inbox.Invalid, "set "+pointer, "a JSON pointer begins with a slash, as in /data/status/status")
	}
	root, err := put(root, strings.Split(pointer[1:], "/"), leaf)
	if err != nil {
		return nil, inbox.Errorf(inbox.Invalid, "set "+pointer, "%w", err)
	}
	return json.Marshal(root)
}

func put(at any, path []string, leaf any) (any, error) {
	if len(path) == 0 {
		return leaf, nil
	}
	token := strings.NewReplacer("~1", "/", "~0", "~").Replace(path[0])
	switch v := at.(type) {
	case []any:
		i, err := strconv.Atoi(token)
		if err != nil || i < 0 || i >= len(v) {
			return nil, fmt.Errorf("there is no element %s", token)
		}
		v[i], err = put(v[i], path[1:], leaf)
		return v, err
	case map[string]any:
		inner, err := put(v[token], path[1:], leaf)
		v[token] = inner
		return v, err
	case nil:
		inner, err := put(nil, path[1:], leaf)
		return map[string]any{token: inner}, err
	}
	return nil, fmt.Errorf("there is a plain value on the way to %s", token)
}
