package document_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/document"
	"inbox/sdk/abi"
)

// event returns a stored event with a verdict, and its payload.
func event(verdict inbox.Verdict, body string) (*inbox.Event, inbox.Payload) {
	e := &inbox.Event{
		Seq: 5, ID: "evt_0000000500000000", Source: "qoreid", Mode: inbox.Live, Origin: inbox.FromWebhook,
		View:       inbox.View{Event: "address", EventType: "verification_completed", Key: "qoreid/address/1", Verdict: verdict},
		ReceivedAt: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
	}
	return e, inbox.Payload{Headers: []inbox.Header{{Name: "content-type", Value: "application/json"}}, Body: []byte(body)}
}

func TestADocumentHoldsTheBodyByteForByte(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"spaces and order":       `{ "b" : 1.0, "a" : 12345678901234567890, "a" : "\u00e9\/" }`,
		"a tricky string":        `{"x":"\"body\":\u0000body"}`,
		"a byte order mark":      "\xef\xbb\xbf{}",
		"not JSON":               `{"event"`,
		"invalid UTF-8":          "{\"a\":\"\xff\"}",
		"empty":                  "",
		"a megabyte of a string": `{"photo":"` + strings.Repeat("A", 1<<20) + `"}`,
	} {
		e, payload := event(inbox.Unknown, body)
		m := inbox.Manifest{Config: map[string]string{"k": "v"}, Data: inbox.Data{InlineMax: 2 << 20}}
		text, err := document.New(&inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 5, Run: 2, Attempt: 3}, Now: e.ReceivedAt}, &m)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var doc abi.Document
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := string(doc.Event.Body)
		if doc.Event.Body == nil {
			got = string(doc.Event.BodyBase64)
		}
		if want := strings.TrimPrefix(body, "\xef\xbb\xbf"); got != want && got != body {
			t.Errorf("%s: %.80q", name, got)
		}
		d := doc.Delivery
		if d.ID != "p/"+e.ID || d.Run != 2 || d.Attempt != 3 || !d.Replay || doc.Config["k"] != "v" || doc.Event.Status != nil || doc.Event.Headers["content-type"] == "" {
			t.Errorf("%s: %+v", name, doc)
		}
	}
}

func TestABodyThatIsNotJSONIsShownAsAWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data inbox.Data
		body string
		want string
	}{
		"all, and short":       {inbox.Data{InlineMax: 10}, "\xff\x00", `"headers":{"content-type":"application/json"},"body_base64":"/wA=","withheld":[]`},
		"all, and long":        {inbox.Data{InlineMax: 10}, "not JSON, and long", `"headers":{"content-type":"application/json"},"withheld":[{"ptr":"","size":18}]`},
		"some":                 {inbox.Data{Fields: []string{"/data"}, InlineMax: 10}, "{\"data\":1", `"headers":{"content-type":"application/json"},"withheld":[]`},
		"some, of bad UTF-8":   {inbox.Data{Fields: []string{"/data"}, InlineMax: 10}, "{\"data\":\"\xff\"}", `"headers":{"content-type":"application/json"},"withheld":[]`},
		"none":                 {inbox.Data{Fields: []string{}, InlineMax: 10}, "secret", `"headers":{"content-type":"application/json"},"withheld":[]`},
		"the whole as a field": {inbox.Data{Fields: []string{""}, InlineMax: 10}, "x", `"body_base64":"eA==","withheld":[]`},
		"JSON":                 {inbox.Data{Fields: []string{}, InlineMax: 10}, "\xef\xbb\xbf{\"a\":1}", `"body":{},"withheld":[]`},
	} {
		e, payload := event(inbox.Unknown, c.body)
		m := inbox.Manifest{Data: c.data}
		doc, err := document.New(&inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 5, Attempt: 1}, Now: e.ReceivedAt}, &m)
		if err != nil || !strings.Contains(string(doc), c.want+"}") {
			t.Errorf("%s: %s, %v; want …%s…", name, doc, err, c.want)
		}
	}
}

func BenchmarkDocument(b *testing.B) {
	for name, size := range map[string]int{"1KB": 1 << 10, "1MB": 1 << 20, "10MB": 10 << 20} {
		b.Run(name, func(b *testing.B) {
			e, payload := event(inbox.Passed, `{"photo":"`+strings.Repeat("A", size)+`"}`)
			var m inbox.Manifest
			b.SetBytes(int64(len(payload.Body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := document.New(&inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 5, Attempt: 1}, Now: e.ReceivedAt}, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
