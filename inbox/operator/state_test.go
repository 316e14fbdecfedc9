package operator_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
	"inbox/inbox/storetest"
)

const secretName = "Adaeze Okafor"

// keep commits a first attempt of an event by a plugin with a change of state. An empty document deletes.
func (r *rig) keep(plugin string, lane inbox.LaneID, seq int64, version int, document string) {
	r.Helper()
	if err := r.store.Register(r.Context(), plugin, inbox.StartFrom{Start: true}); err != nil {
		r.Fatal(err)
	}
	change := &inbox.StateChange{State: inbox.State{Version: version}}
	if document != "" {
		change.Document = []byte(document)
	}
	a := storetest.Attempt(seq, 1, inbox.OK, inbox.Done)
	a.Plugin = plugin
	if err := storetest.Settle(r.store, &inbox.Settlement{Plugin: plugin, Attempt: a, Effects: &inbox.Effects{Lane: lane, State: change}}); err != nil {
		r.Fatal(err)
	}
}

// kept returns a rig with three events of one verification, and two plugins: kyc keeps state per verification, crm per customer.
func kept(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	for _, typ := range []string{"verification_started", "step_verification_completed", "verification_completed"} {
		inboxtest.Accept(t, r.store, `{"event":"workflow","event_type":"`+typ+`","data":{"id":7,"customerReference":"cust/1"}}`)
	}
	lane := inbox.LaneID{Mode: inbox.Live, Key: "qoreid/workflow/7"}
	r.keep("kyc", lane, 1, 1, `{"name":"`+secretName+`","verified":false,"08012345678":1}`)
	r.keep("kyc", lane, 2, 2, `{"name":"`+secretName+`","verified":true,"steps":["address"]}`)
	r.keep("crm", inbox.LaneID{Mode: inbox.Live, Key: "@ref/cust/1"}, 3, 0, `{"verified":true}`)
	return r
}

// reveals returns the targets and reasons of the recorded reveals.
func (r *rig) reveals() (list []string) {
	r.Helper()
	log, err := r.store.AuditLog(r.Context(), inbox.AuditFilter{Action: "reveal"})
	if err != nil {
		r.Fatal(err)
	}
	for _, e := range log {
		list = append(list, e.Target+" ("+e.Reason+")")
	}
	return list
}

func TestAStateDocumentIsMaskedUnlessRevealedAndARevealIsRecorded(t *testing.T) {
	t.Parallel()
	r := kept(t)
	masked, err := r.client.State(t.Context(), "kyc", "qoreid/workflow/7", api.StateQuery{At: "1"})
	if want := `{"name":"[string:13]","verified":"[boolean]","[name:11]":"[number:1]"}`; err != nil || string(masked.Document) != want || masked.Revealed {
		t.Errorf("masked: %s %+v, want %s, %v", masked.Document, masked, want, err)
	}
	if got := r.reveals(); got != nil {
		t.Errorf("a masked read recorded %q", got)
	}
	got, err := r.client.State(t.Context(), "kyc", "qoreid/workflow/7", api.StateQuery{Reveal: api.Reveal{On: true, Reason: "support"}})
	if err != nil {
		t.Fatal(err)
	}
	want := api.State{
		Plugin: "kyc", Mode: inbox.Live, Key: "qoreid/workflow/7", Change: 2, StateVersion: 2, At: got.At, Size: len(got.Document), ID: got.ID, Seq: 2, Attempt: 1,
		Revealed: true, Document: json.RawMessage(`{"name":"` + secretName + `","verified":true,"steps":["address"]}`),
	}
	if diff := cmp.Diff(want, got); diff != "" || !strings.HasPrefix(got.ID, "evt_") || got.At.IsZero() {
		t.Error(diff, got)
	}
	if got := r.reveals(); !slices.Equal(got, []string{"state of plugin kyc for qoreid/workflow/7 (support)"}) {
		t.Errorf("recorded %q", got)
	}
}

func TestAStateDocumentIsFoundByLaneEntityAndReference(t *testing.T) {
	t.Parallel()
	r := kept(t)
	for name, c := range map[string]struct{ plugin, key, want string }{
		"an entity":                       {"kyc", "qoreid/workflow/7", "qoreid/workflow/7"},
		"a lane":                          {"crm", "@ref/cust/1", "@ref/cust/1"},
		"a reference":                     {"crm", "cust/1", "@ref/cust/1"},
		"an entity of a plugin per refer": {"crm", "qoreid/workflow/7", "@ref/cust/1"},
	} {
		got, err := r.client.State(t.Context(), c.plugin, c.key, api.StateQuery{})
		if err != nil || got.Key != c.want {
			t.Errorf("%s: %+v, want %s, %v", name, got, c.want, err)
		}
		if code, text := r.get("GET", "/v1/state/"+c.plugin+"/"+c.key, ""); code != http.StatusOK || !strings.Contains(text, c.want) {
			t.Errorf("%s, slashes not escaped: %d %s", name, code, text)
		}
	}
	for name, c := range map[string]struct{ plugin, key string }{
		"another verification": {"kyc", "qoreid/workflow/8"}, "a reference of a plugin per verification": {"kyc", "cust/1"}, "an unknown plugin": {"x", "qoreid/workflow/7"},
		"a path": {"kyc", ".."}, "no key": {"kyc", ""},
	} {
		got, err := r.client.State(t.Context(), c.plugin, c.key, api.StateQuery{})
		if inbox.KindOf(err) != inbox.NotFound || inbox.HintOf(err) == "" {
			t.Errorf("%s: %+v, %v, hint %q", name, got, err, inbox.HintOf(err))
		}
	}
	for name, path := range map[string]string{
		"a parameter of another route": "/v1/state/kyc/qoreid/workflow/7?from=1", "a mode": "/v1/state/kyc/qoreid/workflow/7?mode=prod",
		"a moment": "/v1/state/kyc/qoreid/workflow/7?at=yesterday", "two moments": "/v1/state/kyc/qoreid/workflow/7?at=1&change=1", "a filter": "/v1/state?key=x",
	} {
		if code, text := r.get("GET", path, ""); code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
}

func TestAStateDocumentIsReadAtAnEventATimeAndAChange(t *testing.T) {
	t.Parallel()
	r := kept(t)
	first, err := r.client.Event(t.Context(), "1", api.Reveal{})
	if err != nil {
		t.Fatal(err)
	}
	now, err := r.client.State(t.Context(), "kyc", "qoreid/workflow/7", api.StateQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		q    api.StateQuery
		want int64
	}{
		"an event by id":           {api.StateQuery{At: first.ID}, 1},
		"an event by seq":          {api.StateQuery{At: "3"}, 2},
		"a time":                   {api.StateQuery{At: now.At.Format(time.RFC3339Nano)}, 2},
		"a time in another zone":   {api.StateQuery{At: now.At.In(time.FixedZone("", 3600)).Format(time.RFC3339Nano)}, 2},
		"a change":                 {api.StateQuery{Change: 1}, 1},
		"a time before all":        {api.StateQuery{At: "2001-01-01T00:00:00Z"}, 0},
		"an event that is missing": {api.StateQuery{At: "99"}, 0},
		"another store's event":    {api.StateQuery{At: first.ID[:len(first.ID)-2] + "00"}, 0},
		"a change that is missing": {api.StateQuery{Change: 9}, 0},
	} {
		got, err := r.client.State(t.Context(), "kyc", "qoreid/workflow/7", c.q)
		if c.want == 0 && inbox.KindOf(err) != inbox.NotFound || c.want != 0 && (err != nil || got.Change != c.want) {
			t.Errorf("%s: change %d, want %d, %v", name, got.Change, c.want, err)
		}
	}
}

func TestADeletedStateDocumentIsNotFoundAndItsHistoryIs(t *testing.T) {
	t.Parallel()
	r := kept(t)
	r.keep("kyc", inbox.LaneID{Mode: inbox.Live, Key: "qoreid/workflow/7"}, 3, 2, "")
	if _, err := r.client.State(t.Context(), "kyc", "qoreid/workflow/7", api.StateQuery{}); inbox.KindOf(err) != inbox.NotFound || !strings.Contains(err.Error(), "deleted") {
		t.Errorf("now: %v", err)
	}
	if got, err := r.client.State(t.Context(), "kyc", "qoreid/workflow/7", api.StateQuery{At: "2"}); err != nil || got.Change != 2 {
		t.Errorf("at event 2: %+v, %v", got, err)
	}
	history := func(q api.StateQuery) (list []api.State) {
		t.Helper()
		err := r.client.EachStateChange(t.Context(), "kyc", "qoreid/workflow/7", q, func(s api.State) error { list = append(list, s); return nil })
		if err != nil {
			t.Error(err)
		}
		return list
	}
	if got := history(api.StateQuery{}); len(got) != 3 || !got[0].Deleted || got[0].Change != 3 || got[1].Document != nil {
		t.Errorf("the history: %+v", got)
	}
	if got := history(api.StateQuery{Before: 3, Limit: 1, Reveal: api.Reveal{On: true}}); len(got) != 1 || !strings.Contains(string(got[0].Document), secretName) {
		t.Errorf("a revealed page: %+v", got)
	}
	var list []api.State
	if err := r.client.EachState(t.Context(), inbox.StateFilter{Mode: inbox.Live}, func(s api.State) error { list = append(list, s); return nil }); err != nil || len(list) != 1 || list[0].Plugin != "crm" {
		t.Errorf("the list: %+v, %v", list, err)
	}
}

func TestADiffOfStateListsMaskedDifferences(t *testing.T) {
	t.Parallel()
	r := kept(t)
	diff := func(q api.StateQuery) (list []string) {
		t.Helper()
		d, err := r.client.StateDiff(t.Context(), "kyc", "qoreid/workflow/7", q)
		if err != nil || d.To.Document != nil || d.From != nil && d.From.Document != nil {
			t.Errorf("%+v, %v", d, err)
		}
		for _, v := range d.Changes {
			list = append(list, v.Op+" "+v.Pointer+" "+string(v.Old)+" "+string(v.New))
		}
		return list
	}
	revealed := []string{"removed /08012345678 1 ", `added /steps  ["address"]`, "changed /verified false true"}
	if d := cmp.Diff(revealed, diff(api.StateQuery{Reveal: api.Reveal{On: true}})); d != "" {
		t.Error(d)
	}
	masked := []string{`removed /[name:11] "[number:1]" `, `added /steps  ["[string:7]"]`, `changed /verified "[boolean]" "[boolean]"`}
	if d := cmp.Diff(masked, diff(api.StateQuery{From: 1, To: 2})); d != "" {
		t.Error(d)
	}
	if got := diff(api.StateQuery{To: 1, Reveal: api.Reveal{On: true}}); len(got) != 1 || !strings.HasPrefix(got[0], "added  ") {
		t.Errorf("the first change: %q", got)
	}
	if got := diff(api.StateQuery{From: 2, To: 2}); got != nil {
		t.Errorf("a change and itself: %q", got)
	}
	if _, err := r.client.StateDiff(t.Context(), "kyc", "qoreid/workflow/7", api.StateQuery{From: 1, To: 9}); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("a change that was not made: %v", err)
	}
	if got := r.reveals(); len(got) != 2 {
		t.Errorf("recorded %q", got)
	}
}

func TestATimelineHasTheChangesOfStateOfItsAttempts(t *testing.T) {
	t.Parallel()
	r := kept(t)
	for _, reveal := range []bool{false, true} {
		tl, err := r.client.Timeline(t.Context(), inbox.Live, "qoreid/workflow/7", api.Reveal{On: reveal})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, e := range tl.Events {
			one, err := r.client.Event(t.Context(), e.ID, api.Reveal{On: reveal})
			if diff := cmp.Diff(e.Deliveries, one.Deliveries); err != nil || diff != "" {
				t.Errorf("event %s: %v %s", e.ID, err, diff)
			}
			for _, d := range e.Deliveries {
				for _, a := range d.Attempts {
					if c := a.State; c != nil {
						got[d.Plugin+" "+e.EventType] = strings.Join([]string{c.Key, string(c.Document)}, " ")
					}
				}
			}
		}
		want := map[string]string{"kyc verification_started": "qoreid/workflow/7 ", "kyc step_verification_completed": "qoreid/workflow/7 ", "crm verification_completed": "@ref/cust/1 "}
		if reveal {
			want["kyc verification_started"] += `{"name":"` + secretName + `","verified":false,"08012345678":1}`
			want["kyc step_verification_completed"] += `{"name":"` + secretName + `","verified":true,"steps":["address"]}`
			want["crm verification_completed"] += `{"verified":true}`
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reveal %v: %s", reveal, diff)
		}
	}
}

// A document larger than inlineDocument is not part of a trace, and `inbox state get` has it.
func TestATraceLeavesLargeDocumentsOut(t *testing.T) {
	t.Parallel()
	r := kept(t)
	r.keep("kyc", inbox.LaneID{Mode: inbox.Live, Key: "qoreid/workflow/7"}, 3, 2, `"`+strings.Repeat("x", 64<<10)+`"`)
	d, err := r.client.Event(t.Context(), "3", api.Reveal{On: true})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(d.Deliveries, func(d api.Delivery) bool { return d.Plugin == "kyc" })
	if c := d.Deliveries[i].Attempts[0].State; c == nil || c.Document != nil || c.Size != 64<<10+2 {
		t.Errorf("%+v", c)
	}
}
