package qoreid

import (
	"bytes"

	"inbox/inbox"
	"inbox/inbox/rawjson"
)

// NormVersion is the number of this way of reading bodies. It grows when the same body would be read otherwise.
const NormVersion = 1

// KeyBy says what orders the events of a source.
type KeyBy string

// The choices.
const (
	ByID        KeyBy = "id"                 // the verification (the default)
	ByReference KeyBy = "customer_reference" // the customer, when the payload names one; else the verification
)

// Rules are what a source says about the reading of its bodies.
type Rules struct {
	Source string
	KeyBy  KeyBy
	Maps   []Map
}

// Map tells, for the events that Event matches (see [inbox.Match]; empty: all), where things stand in bodies that are
// not as documented: JSON pointers from the root to a string, number or boolean. An empty pointer, or one to nothing,
// leaves the usual reading. What Key points to takes the place of data.id in the ordering key. Of several maps that
// match, the last with a value counts.
type Map struct {
	Event, Key, Status, State, CustomerReference string
}

// Read reads a body: QoreID's present envelope (event, event_type, data), the flat one (no data) and the legacy one
// (type, data; sent on completion only). It never fails: a body that is not JSON, or names no event, is the event
// "unknown". A leading byte order mark is ignored, and invalid UTF-8 read as U+FFFD.
//
// Of duplicate names the last counts, as in JavaScript, in encoding/json and therefore in [inbox.Scalars]; names are
// told apart by case. Texts are cut at 200 bytes, with a digest of the whole.
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

// fields are the members of one object that are looked at, as they stand in the body; nil where there is none.
type fields struct {
	event, eventType, typ, data                                  []byte
	id, customerReference, reference, status, state, isDuplicate []byte
	product                                                      []byte // the member named as the event
}

// read takes the fields out of an object. Anything else has none.
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

// name returns what a body calls itself.
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

// readStatus returns the status that an object holds: an object itself, in the present or the legacy words, or a plain
// text with the state beside it.
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

// legacy returns the code or the label of a legacy status, whichever speaks our words: which of them does is not
// documented.
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

// override applies the source's maps, and returns the text that takes the place of the id.
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

// key makes the ordering key: of the verification, or, when the source wants it, of the customer over all events.
// Empty means that nothing orders the event. The words before a colon keep an id and a reference apart that look alike.
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
