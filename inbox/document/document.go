package document

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"inbox/inbox"
	"inbox/inbox/rawjson"
	"inbox/sdk/abi"
)

// timeFormat is RFC 3339 in UTC with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// Builder builds the documents of one plugin. It is safe for concurrent use.
type Builder struct {
	grant  *grant
	inline int64 // largest text that stays in a document, in bytes
	config map[string]string
}

// For returns a Builder for a manifest. The manifest must not change afterwards.
func For(m *inbox.Manifest) *Builder {
	b := &Builder{grant: newGrant(m.Data.Fields), inline: cmp.Or(m.Data.InlineMax, inbox.DefaultInlineMax), config: m.Config}
	if b.config == nil {
		b.config = map[string]string{}
	}
	return b
}

// New builds one document. Use a [Builder] for a plugin that gets many.
func New(w *inbox.Work, m *inbox.Manifest) ([]byte, error) {
	doc, _, err := For(m).Build(w)
	return doc, err
}

// Build builds the document of an attempt, with the part of the body that the manifest grants. It also returns the texts that
// it left out because they are long. They point into the payload, which must not change. An error means that the document cannot
// be encoded.
func (b *Builder) Build(w *inbox.Work) ([]byte, Withheld, error) {
	e, p, d := w.Event, w.Payload, w.Delivery
	v := &e.View
	doc := abi.Document{
		V: abi.Version,
		Delivery: abi.Delivery{
			ID: DeliveryID(d.Plugin, e), Seq: e.Seq, Run: d.Run, Attempt: d.Attempt, Replay: d.Replay(), Now: w.Now.UTC().Format(timeFormat),
		},
		Event: abi.Event{
			ID: e.ID, Seq: e.Seq, Source: e.Source, Mode: string(e.Mode), Origin: string(e.Origin), Event: v.Event,
			EventType: nullable(v.EventType), ReceivedAt: e.ReceivedAt.UTC().Format(timeFormat), Key: v.Key,
			CustomerReference: nullable(v.CustomerReference), Verdict: string(v.Verdict), Status: nullable(v.Status),
			State: nullable(v.State), SubStatus: nullable(v.SubStatus), Late: e.Late, DuplicateHint: e.DuplicateHint,
			Headers: make(map[string]string, len(p.Headers)), Withheld: []abi.Withheld{},
		},
		Config: b.config, StateVersion: w.State.Version,
	}
	for _, h := range p.Headers {
		doc.Event.Headers[h.Name] = inbox.JoinValues(doc.Event.Headers[h.Name], h.Value)
	}
	body, left := narrowBody(&doc.Event, p.Body, b.grant, b.inline)
	for _, l := range left {
		doc.Event.Withheld = append(doc.Event.Withheld, abi.Withheld{Pointer: l.pointer, Size: l.size})
	}
	text, err := splice(&doc, body, len(w.State.Document))
	if err == nil && w.State.Document != nil {
		text = withState(text, w.State.Document)
	}
	return text, Withheld{left}, err
}

// withState puts the state in place of the null at the end of a document, without decoding the state.
func withState(text, state []byte) []byte {
	text = append(text[:len(text)-len("null}")], state...)
	return append(text, '}')
}

// narrowBody returns the granted part of a body, nil when the body is not JSON in UTF-8. Such a body cannot be narrowed: it
// becomes the event's BodyBase64 if everything is granted, and is not shown otherwise. Texts of more than limit bytes are left
// out, and so is a longer body that is not JSON.
func narrowBody(to *abi.Event, body []byte, g *grant, limit int64) (shown []byte, left []withheld) {
	if text := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")); utf8.Valid(text) && rawjson.Valid(text) {
		return narrow(text, g, limit)
	}
	switch {
	case !g.all:
	case int64(len(body)) > limit:
		left = []withheld{{size: len(body), raw: body, text: true}}
	default:
		to.BodyBase64 = body
	}
	return nil, left
}

// DeliveryID returns an idempotency key: it is the same for every attempt of every run of an event in a plugin. It is made from
// the event's id, which contains part of the body's digest, and not from its seq: after a restore from a backup, or in another
// store, the same seq belongs to another event.
func DeliveryID(plugin string, e *inbox.Event) string { return plugin + "/" + e.ID }

// nullable returns nil for the empty string, which becomes null.
func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func encode(doc *abi.Document) ([]byte, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("build the document of event %d: %w", doc.Event.Seq, err)
	}
	return b, nil
}

// splice encodes the document around the body without decoding the body. So a number too large for a float, a duplicate key and
// white space stay as they came, and megabytes are copied once. body may be nil. The result has space for more bytes.
func splice(doc *abi.Document, body []byte, more int) ([]byte, error) {
	if body == nil {
		return encode(doc)
	}
	const mark = `"body":-0e-0` // unique: a string would escape the quotes, and all other values are strings
	doc.Event.Body = json.RawMessage(mark[len(`"body":`):])
	b, err := encode(doc)
	if err != nil {
		return nil, err
	}
	head, tail, found := bytes.Cut(b, []byte(mark))
	if !found {
		return nil, fmt.Errorf("build the document of event %d: the place of its body is lost", doc.Event.Seq)
	}
	out := make([]byte, 0, len(b)+len(body)+more)
	out = append(append(out, head...), `"body":`...)
	out = append(out, body...)
	return append(out, tail...), nil
}
