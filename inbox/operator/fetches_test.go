package operator_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
)

func TestTheFetchesOfAnAttemptAreListedAndTheirURLsAndAnswersOnlyWhenRevealed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("crm")
	e := r.accept(1, 1)[0]
	st := inboxtest.Settled("crm", e.Seq)
	st.Effects = &inbox.Effects{Lane: inbox.LaneID{Mode: inbox.Live, Key: "qoreid/workflow/1"}, Journal: []inbox.Fetched{
		{Method: "GET", URL: "https://crm.example.com/people/Ada", Origin: "https://crm.example.com", Status: 200, Document: []byte(`{"status":200,"body":"Ada"}`),
			StartedAt: time.Now(), Duration: 1500 * time.Microsecond},
		{Method: "POST", URL: "https://crm.example.com/Ada", Origin: "https://crm.example.com", Why: "no answer", Ended: inbox.Timeout, StartedAt: time.Now(), Again: true},
	}}
	r.settle(st)
	shown := func(v api.Reveal) ([]api.AttemptFetch, string) {
		t.Helper()
		d, err := r.client.Event(t.Context(), e.ID, v)
		if err != nil || len(d.Deliveries) != 1 || len(d.Deliveries[0].Attempts) != 1 {
			t.Fatalf("%+v, %v", d, err)
		}
		list := d.Deliveries[0].Attempts[0].Fetches
		text, err := json.Marshal(list)
		if err != nil || len(list) != 2 {
			t.Fatalf("%s, %v", text, err)
		}
		return list, string(text)
	}
	masked, text := shown(api.Reveal{})
	if f := masked[0]; strings.Contains(text, "Ada") || f.Method != "GET" || f.Origin != "https://crm.example.com" || f.Status != 200 || f.Millis != 1.5 || f.StartedAt.IsZero() {
		t.Errorf("masked: %s", text)
	}
	if f := masked[1]; f.Index != 1 || f.Why != "no answer" || f.Ended != inbox.Timeout || !f.FromJournal {
		t.Errorf("masked: %s", text)
	}
	revealed, text := shown(api.Reveal{On: true, Reason: "ticket 9"})
	if f := revealed[0]; f.URL != "https://crm.example.com/people/Ada" || string(f.Answer) != `{"status":200,"body":"Ada"}` || revealed[1].Answer != nil {
		t.Errorf("revealed: %s", text)
	}
	if !slices.ContainsFunc(r.audited(), func(line string) bool { return strings.Contains(line, "reveal") && strings.Contains(line, e.ID) }) {
		t.Errorf("audited: %q", r.audited())
	}
	line, err := r.client.Timeline(t.Context(), inbox.Live, "qoreid/workflow/1", api.Reveal{On: true, Reason: "ticket 9"})
	if text, _ := json.Marshal(line); err != nil || !strings.Contains(string(text), `"fetches":[{"index":0,"method":"GET"`) || strings.Contains(string(text), "people/Ada") {
		t.Errorf("the timeline of the entity: %s, %v", text, err)
	}
}
