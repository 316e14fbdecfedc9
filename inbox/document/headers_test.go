package document_test

import (
	"encoding/json"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/document"
)

func TestAHeaderThatCameTwiceReachesThePluginWhole(t *testing.T) {
	t.Parallel()
	payload := inbox.Payload{Body: []byte(`{}`), Headers: []inbox.Header{
		{Name: "via", Value: "1.1 a"}, {Name: "x-forwarded-for", Value: "198.51.100.1"}, {Name: "x-empty", Value: ""}, {Name: "via", Value: ""},
		{Name: "via", Value: "1.1 b, 1.1 c"}, {Name: "x-forwarded-for", Value: "198.51.100.2"}, {Name: "x-one", Value: "1"},
	}}
	text, err := document.New(&inbox.Work{Event: &inbox.Event{}, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 1, Attempt: 1}, Now: time.Now()}, &inbox.Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Event struct{ Headers map[string]string }
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"via": "1.1 a, 1.1 b, 1.1 c", "x-forwarded-for": "198.51.100.1, 198.51.100.2", "x-empty": "", "x-one": "1",
	} {
		got, ok := doc.Event.Headers[name]
		if !ok || got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
		if name != "x-empty" && got != inbox.HeaderValue(payload.Headers, name) {
			t.Errorf("%s is read as %q elsewhere", name, inbox.HeaderValue(payload.Headers, name))
		}
	}
}
