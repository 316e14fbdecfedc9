package document_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/document"
	"inbox/inbox/qoreid"
)

// Authors test plugins with the manual's document, so it must be a real one.
func TestTheManualShowsADocumentAsPluginsGetIt(t *testing.T) {
	t.Parallel()
	body, err := qoreid.Sample(qoreid.Kind{Event: "workflow", EventType: "verification_completed"}, 4711, "customer-42")
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		t.Fatal(err)
	}
	received := time.Date(2026, 11, 24, 12, 0, 0, 250_000_000, time.UTC)
	e := &inbox.Event{
		Seq: 42, ID: inbox.EventID(42, []byte("digest of the body")), Source: "qoreid", Mode: inbox.Live, Origin: inbox.FromWebhook,
		View: qoreid.Read(body, qoreid.Rules{Source: "qoreid"}), ReceivedAt: received,
	}
	payload := inbox.Payload{Headers: []inbox.Header{{Name: "content-type", Value: "application/json"}, {Name: "user-agent", Value: "QoreID"}}, Body: compact.Bytes()}
	m := &inbox.Manifest{Config: map[string]string{"team": "onboarding"}}
	doc, err := document.New(&inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "crm", Seq: 42, Attempt: 1}, Now: received.Add(30 * time.Millisecond)}, m)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Indent(&want, doc, "", "  "); err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile("../../docs/WRITING-PLUGINS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(manual), "```json\n")
	shown, _, _ = strings.Cut(shown, "\n```")
	if diff := cmp.Diff(want.String(), shown); diff != "" {
		t.Errorf("the manual shows another document (-what a plugin gets +the manual):\n%s\nwhole:\n%s", diff, want.String())
	}
}
