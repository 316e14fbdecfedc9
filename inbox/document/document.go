package document

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"time"
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
	inline int64 // the longest text that stays in a document, in bytes
	config map[string]string
}

// For returns a Builder for a manifest, which must not change.
func For(m *inbox.Manifest) *Builder {
	b := &Builder{grant: newGrant(m.Data.Fields), inline: cmp.Or(m.Data.InlineMax, inbox.DefaultInlineMax), config: m.Config}
	if b.config == nil {
		b.config = map[string]string{}
	}
	return b
}

// New builds the document of one attempt under a manifest. A plugin that gets many has a [Builder].
func New(e *inbox.Event, p inbox.Payload, d inbox.Delivery, m *inbox.Manifest, now time.Time) ([]byte, error) {
	doc, _, err := For(m).Build(e, p, d, now)
	return doc, err
}

// Build builds what a plugin gets for an attempt, with as much of the body as the manifest's [data] lets it see, and returns
// with it what was left out of it because it is long. Those texts are parts of p.
func (b *Builder) Build(e *inbox.Event, p inbox.Payload, d inbox.Delivery, now time.Time) ([]byte, Texts, error) {
	v := &e.View
	doc := abi.Document{
		V: abi.Version,
		Delivery: abi.Delivery{
			ID: DeliveryID(d.Plugin, e), Seq: e.Seq, Run: d.Run, Attempt: d.Attempt, Replay: d.Replay(), Now: now.UTC().Format(timeFormat),
		},
		Event: abi.Event{
			ID: e.ID, Seq: e.Seq, Source: e.Source, Mode: string(e.Mode), Origin: string(e.Origin), Event: v.Event,
			EventType: nullable(v.EventType), ReceivedAt: e.ReceivedAt.UTC().Format(timeFormat), Key: v.Key,
			CustomerReference: nullable(v.CustomerReference), Verdict: string(v.Verdict), Status: nullable(v.Status),
			State: nullable(v.State), SubStatus: nullable(v.SubStatus), Late: e.Late, DuplicateHint: e.DuplicateHint,
			Headers: make(map[string]string, len(p.Headers)), Withheld: []abi.Withheld{},
		},
		Config: b.config,
	}
	for _, h := range p.Headers {
		doc.Event.Headers[h.Name] = inbox.JoinValues(doc.Event.Headers[h.Name], h.Value)
	}
	body, left := narrowBody(&doc.Event, p.Body, b.grant, b.inline)
	for _, w := range left {
		doc.Event.Withheld = append(doc.Event.Withheld, abi.Withheld{Pointer: w.pointer, Size: w.size})
	}
	text, err := splice(&doc, body)
	return text, Texts{withheld: left}, err
}

// show returns as much of a body as is granted, nil when it is not JSON in UTF-8. Then nothing can be told apart in it:
// it is the event's BodyBase64 if all is granted, and nothing is shown of it if less is. Texts of more than most bytes
// are left out, and so is what is not JSON.
func narrowBody(to *abi.Event, body []byte, g *grant, most int64) (shown []byte, left []withheld) {
	if text := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")); utf8.Valid(text) && rawjson.Valid(text) {
		return narrow(text, g, most)
	}
	switch {
	case !g.all:
	case int64(len(body)) > most:
		left = []withheld{{size: len(body), raw: body, text: true}}
	default:
		to.BodyBase64 = body
	}
	return nil, left
}

// DeliveryID is the same for every attempt of every run of an event in a plugin: an idempotency key. It is made from the
// event's id, which has a part of the body's digest, and not from its seq: after a restore from a backup, or in another
// store, the same seq is another event's.
func DeliveryID(plugin string, e *inbox.Event) string { return plugin + "/" + e.ID }

// known is null for what is unknown.
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

// splice encodes the document around the body, if there is one, which is not decoded: a number too large for a float, a
// duplicate key and a space stay as they came, and megabytes are copied once.
func splice(doc *abi.Document, body []byte) ([]byte, error) {
	if body == nil {
		return encode(doc)
	}
	const mark = `"body":-0e-0` // in a text the quotes would be escaped, and all other values are texts
	doc.Event.Body = json.RawMessage(mark[len(`"body":`):])
	b, err := encode(doc)
	if err != nil {
		return nil, err
	}
	head, tail, found := bytes.Cut(b, []byte(mark))
	if !found {
		return nil, fmt.Errorf("build the document of event %d: the place of its body is lost", doc.Event.Seq)
	}
	out := make([]byte, 0, len(b)+len(body))
	out = append(append(out, head...), `"body":`...)
	out = append(out, body...)
	return append(out, tail...), nil
}
