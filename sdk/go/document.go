package sdk

import (
	"encoding/base64"
	"errors"
	"strconv"
	"unsafe"

	"inbox/sdk/abi"
)

// readDocument reads a document of the host without encoding/json, which takes a plugin several times as long. It reads the members
// in any order and skips unknown ones. It trusts the host that the document is valid JSON.
func readDocument(document []byte) (*Event, error) {
	own := append([]byte(nil), document...) // the host may use its buffer again
	// The texts of the event are parts of own. Nothing writes to it: Body and state, which a plugin may change, have no text in them.
	r := &reader{text: unsafe.String(unsafe.SliceData(own), len(own))}
	e := &Event{}
	version := 0
	r.object(func(name string) {
		switch name {
		case "v":
			version = int(r.int())
		case "delivery":
			r.delivery(&e.Delivery)
		case "event":
			r.event(&e.Event, own)
		case "config":
			e.Config = r.texts(e.Config)
		case "state_version":
			e.stateVersion = int(r.int())
		case "state":
			e.state = r.part(own)
		default:
			r.raw()
		}
	})
	if r.err == nil && r.peek() != 0 {
		r.fail(errSyntax)
	}
	if r.err != nil {
		return nil, errors.New("read the document: " + r.err.Error())
	}
	if version != abi.Version {
		return nil, errors.New("read the document: the SDK speaks version " + strconv.Itoa(abi.Version) + " of the contract, the host " + strconv.Itoa(version))
	}
	return e, nil
}

// part reads any value as a part of the bytes that are read. Appending to it does not change what follows.
func (r *reader) part(own []byte) []byte {
	text := r.raw()
	return own[r.at-len(text) : r.at : r.at]
}

func (r *reader) delivery(d *abi.Delivery) {
	r.object(func(name string) {
		switch name {
		case "id":
			d.ID = r.string()
		case "seq":
			d.Seq = r.int()
		case "run":
			d.Run = r.int()
		case "attempt":
			d.Attempt = int(r.int())
		case "replay":
			d.Replay = r.bool()
		case "now":
			d.Now = r.string()
		default:
			r.raw()
		}
	})
}

func (r *reader) event(e *abi.Event, own []byte) {
	r.object(func(name string) {
		if text := eventText(e, name); text != nil {
			*text = r.string()
			return
		}
		if text := eventOptional(e, name); text != nil {
			*text = r.optional()
			return
		}
		switch name {
		case "seq":
			e.Seq = r.int()
		case "late":
			e.Late = r.bool()
		case "duplicate_hint":
			e.DuplicateHint = r.bool()
		case "headers":
			e.Headers = r.texts(e.Headers)
		case "body":
			e.Body = r.part(own)
		case "body_base64":
			e.BodyBase64 = r.base64()
		case "withheld":
			e.Withheld = r.withheld()
		default:
			r.raw()
		}
	})
}

// eventText returns the field of a member that is a text.
func eventText(e *abi.Event, name string) *string {
	switch name {
	case "id":
		return &e.ID
	case "source":
		return &e.Source
	case "mode":
		return &e.Mode
	case "origin":
		return &e.Origin
	case "event":
		return &e.Event
	case "received_at":
		return &e.ReceivedAt
	case "key":
		return &e.Key
	case "verdict":
		return &e.Verdict
	}
	return nil
}

// eventOptional returns the field of a member that is a text or null.
func eventOptional(e *abi.Event, name string) **string {
	switch name {
	case "event_type":
		return &e.EventType
	case "customer_reference":
		return &e.CustomerReference
	case "status":
		return &e.Status
	case "state":
		return &e.State
	case "sub_status":
		return &e.SubStatus
	}
	return nil
}

// texts reads an object whose members are texts, and adds them to a map. It makes the map when to is nil. Null is a nil map.
func (r *reader) texts(to map[string]string) map[string]string {
	if r.null() {
		return nil
	}
	if to == nil {
		to = map[string]string{}
	}
	r.object(func(name string) { to[name] = r.string() })
	return to
}

func (r *reader) base64() []byte {
	if r.null() {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(r.string())
	if err != nil {
		r.fail(errType)
	}
	return b
}

func (r *reader) withheld() []abi.Withheld {
	if r.null() {
		return nil
	}
	list := []abi.Withheld{}
	r.list(func() {
		var w abi.Withheld
		r.object(func(name string) {
			switch name {
			case "ptr":
				w.Pointer = r.string()
			case "size":
				w.Size = int(r.int())
			default:
				r.raw()
			}
		})
		list = append(list, w)
	})
	return list
}
