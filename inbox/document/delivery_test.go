package document_test

import (
	"encoding/json"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/document"
	"inbox/sdk/abi"
)

// After a restore from a backup, a seq belongs to another event. A service that drops ids it has seen must not drop that event.
func TestADeliverysIDIsTheSameForEveryRunAndNeverAnotherEvents(t *testing.T) {
	t.Parallel()
	idOf := func(plugin, digest string, d inbox.Delivery) string {
		t.Helper()
		e, payload := event(inbox.Passed, `{}`)
		e.ID = inbox.EventID(e.Seq, []byte(digest))
		d.Plugin, d.Seq = plugin, e.Seq
		text, err := document.New(&inbox.Work{Event: e, Payload: payload, Delivery: d, Now: e.ReceivedAt}, &inbox.Manifest{})
		if err != nil {
			t.Fatal(err)
		}
		var doc abi.Document
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		if want := plugin + "/" + doc.Event.ID; doc.Delivery.ID != want {
			t.Errorf("%q, want %q", doc.Delivery.ID, want)
		}
		return doc.Delivery.ID
	}
	first := idOf("crm", "one body", inbox.Delivery{Attempt: 1})
	if again := idOf("crm", "one body", inbox.Delivery{Run: 4, Attempt: 3}); again != first {
		t.Errorf("a replay has %q, and the first run had %q", again, first)
	}
	if restored := idOf("crm", "two body", inbox.Delivery{Attempt: 1}); restored == first {
		t.Errorf("another event of the same seq has %q too", restored)
	}
	if other := idOf("erp", "one body", inbox.Delivery{Attempt: 1}); other == first || !strings.HasPrefix(other, "erp/") {
		t.Errorf("another plugin has %q", other)
	}
}
