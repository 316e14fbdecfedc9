package qoreid

import (
	"bytes"

	"inbox/inbox"
	"inbox/inbox/rawjson"
)

// NormVersion is the version of the rules by which bodies are read. It grows when the same body would be read differently.
const NormVersion = 1

// KeyBy is the choice of the ordering key for the events of a source.
type KeyBy string

// The choices.
const (
	ByID        KeyBy = "id"                 // the verification (the default)
	ByReference KeyBy = "customer_reference" // the customer, when the payload names one; else the verification
)

// Rules are a source's settings for reading its bodies.
type Rules struct {
	Source string
	KeyBy  KeyBy
	Maps   []Map
}

// Map gives the position of fields in bodies that differ from the documentation, for the events that Event matches (see
// [inbox.Match]; empty: all). Fields are JSON pointers from the root to a string, number or boolean. With an empty pointer, or
// a pointer without a value, the field is read as usual. The value at Key replaces data.id in the ordering key. Of several
// matching maps, the last one with a value counts.
type Map struct {
	Event, Key, Status, State, CustomerReference string
}

// Read reads a body: QoreID's present envelope (event, event_type, data), the flat one (no data) and the legacy one
// (type, data; sent on completion only). It never fails: a body that is not JSON, or names no event, is the event
// "unknown". A leading byte order mark is ignored, and invalid UTF-8 is read as U+FFFD.
//
// Of duplicate names the last counts, as in JavaScript, in encoding/json and therefore in [inbox.Scalars]; names are
// case-sensitive. Texts are cut at 200 bytes, with a digest of the whole text.
func Read(body []byte, rules Rules) inbox.View {
	v := inbox.View{Event: inbox.UnknownEvent, Verdict: inbox.Unknown, Rank: -1, NormVersion: NormVersion}
	doc := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !rawjson.Valid(doc) {
		return v
	}
	root := read(doc, "")
	v.Event, v.EventType = name(&root)
	v.Rank = rank(v.EventType)
	within := doc // flat
	if object(root.data) {
		within = root.data
	}
	data := read(within, v.Event)
	product := read(data.product, "")
	v.ExternalID = word(data.id)
	v.CustomerReference = first(word(data.customerReference), word(root.customerReference))
	v.SaysDuplicate = inbox.Fold(word(data.isDuplicate)) == "true" || inbox.Fold(word(product.isDuplicate)) == "true"
	for _, f := range []*fields{&data, &product, &root} {
		if v.Status, v.State, v.SubStatus = f.readStatus(); v.Status != "" || v.State != "" {
			break
		}
	}
	mapped := override(&v, doc, rules.Maps)
	v.Key = key(&v, rules, first(mapped, v.ExternalID), word(data.reference), word(product.id))
	v.Verdict = verdict(v.Status, v.State)
	return v
}

// fields are the members of one object that are read, undecoded; nil for missing ones.
type fields struct {
	event, eventType, typ, data                                  []byte
	id, customerReference, reference, status, state, isDuplicate []byte
	product                                                      []byte // the member named as the event
}

// read returns the fields of an object. Other values have no fields.
func read(text []byte, product string) fields {
	var f fields
	for name, at := range rawjson.Members(text) {
		if to := f.named(string(name)); to != nil {
			*to = at.Of(text)
		} else if string(name) == product {
			f.product = at.Of(text)
		}
	}
	return f
}

func (f *fields) named(name string) *[]byte {
	switch name {
	case "event":
		return &f.event
	case "event_type":
		return &f.eventType
	case "type":
		return &f.typ
	case "data":
		return &f.data
	case "id":
		return &f.id
	case "customerReference":
		return &f.customerReference
	case "reference":
		return &f.reference
	case "status":
		return &f.status
	case "state":
		return &f.state
	case "isDuplicate":
		return &f.isDuplicate
	}
	return nil
}

func object(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' }

// name returns the event and the event type that a body names.
func name(root *fields) (event, eventType string) {
	eventType = text(root.eventType)
	if event = text(root.event); event != "" {
		return event, eventType
	}
	if event = text(root.typ); event == "" {
		return inbox.UnknownEvent, eventType
	}
	if eventType == "" && object(root.data) {
		eventType = completed // the old service sent on completion only
	}
	return event, eventType
}

// readStatus returns the status that an object holds: an object with the present or the legacy names, or a plain text with
// the state beside it.
func (f *fields) readStatus() (status, state, sub string) {
	if !object(f.status) {
		status = word(f.status)
		if s := word(f.state); isState(s) {
			state = s
		}
		return status, state, ""
	}
	var w statusWords
	for name, at := range rawjson.Members(f.status) {
		if to := w.named(string(name)); to != nil {
			*to = word(at.Of(f.status))
		}
	}
	status, state = w.legacy()
	return first(w.status, status), first(w.state, state), w.subStatus
}

// statusWords are the members of a status object: the present ones, and the legacy ones.
type statusWords struct {
	status, state, subStatus           string
	code, label, stateCode, stateLabel string
}

func (w *statusWords) named(name string) *string {
	switch name {
	case "status":
		return &w.status
	case "state":
		return &w.state
	case "subStatus":
		return &w.subStatus
	case "code":
		return &w.code
	case "label":
		return &w.label
	case "stateCode":
		return &w.stateCode
	case "stateLabel":
		return &w.stateLabel
	}
	return nil
}

// legacy returns the code or the label of a legacy status: the one that is a known word. QoreID does not document which of
// them that is.
func (w *statusWords) legacy() (status, state string) {
	status, state = first(w.code, w.label), first(w.stateCode, w.stateLabel)
	if verdict(w.label, "complete") != inbox.Unknown {
		status = w.label
	}
	if isState(w.stateLabel) {
		state = w.stateLabel
	}
	return status, state
}

// override applies the source's maps, and returns the text that replaces the id.
func override(v *inbox.View, doc []byte, maps []Map) (id string) {
	set := func(field *string, pointer string) {
		if pointer == "" {
			return
		}
		if at, ok := rawjson.Find(doc, pointer); ok {
			*field = first(word(at.Of(doc)), *field)
		}
	}
	for _, m := range maps {
		if m.Event != "" && !inbox.Match(m.Event, v.Event) {
			continue
		}
		set(&id, m.Key)
		set(&v.Status, m.Status)
		set(&v.State, m.State)
		set(&v.CustomerReference, m.CustomerReference)
	}
	return id
}

// key returns the ordering key: of the verification, or, if the source chose it, of the customer over all events. An empty key
// means that the event has no order. The words before a colon separate an id from an equal reference.
func key(v *inbox.View, rules Rules, id, reference, productID string) string {
	own := rules.Source + "/" + v.Event + "/"
	switch {
	case rules.KeyBy == ByReference && v.CustomerReference != "":
		return rules.Source + "/ref:" + v.CustomerReference
	case id != "":
		return own + id
	case v.CustomerReference != "":
		return own + "ref:" + v.CustomerReference
	case reference != "":
		return own + "reference:" + reference
	case productID != "": // equal to the id where both are documented
		return own + productID
	}
	return ""
}
