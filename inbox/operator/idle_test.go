package operator_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/operator"
)

func TestATimelineNamesTheEventThatEachEventWaitsBehindAndWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"parks", "held", "paused", "gone", "runs"} {
		r.plugin(name)
	}
	list := r.accept(1, 2)
	r.die("parks", 1, inbox.Reject)
	r.settle(&inbox.Settlement{Plugin: "held", Health: inbox.HealthChange{Set: &inbox.Health{OnHold: true, Reason: "timeout", Since: time.Now(), ProbeAt: time.Now()}}})
	if err := r.store.SetPaused(t.Context(), inbox.Actor{}, "paused", true); err != nil {
		t.Fatal(err)
	}
	r.control.files = slices.DeleteFunc(r.control.files, func(f operator.File) bool { return f.Plugin == "gone" })
	tl, err := r.client.Timeline(t.Context(), inbox.Live, "qoreid/workflow/1", api.Reveal{})
	if err != nil || len(tl.Events) != 2 {
		t.Fatalf("%+v, %v", tl, err)
	}
	said := func(d *api.EventDetail) map[string]string {
		states := map[string]string{}
		for _, one := range d.Deliveries {
			states[one.Plugin] = strings.TrimSpace(strings.Join([]string{string(one.State), one.Behind, one.Note}, " "))
		}
		return states
	}
	waits := map[string]string{
		"held": "pending  the plugin is on hold", "paused": "pending  the plugin is paused", "gone": "pending  the plugin's file is gone", "runs": "pending",
	}
	for i, parked := range []string{"dead", "waiting " + list[0].ID} {
		waits["parks"] = parked
		if diff := cmp.Diff(waits, said(&tl.Events[i])); diff != "" {
			t.Errorf("event %d: %s", i+1, diff)
		}
		d, err := r.client.Event(t.Context(), list[i].ID, api.Reveal{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(waits, said(&d)); diff != "" {
			t.Errorf("event %d by itself: %s", i+1, diff)
		}
	}
}

func TestTheMetricsThatTheManualWatchesAreServed(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	r.plugin("crm")
	m := operator.NewMetrics()
	m.CountWebhook(operator.Webhook{Source: "qoreid", Code: 200, Status: "stored", Secret: "new"})
	m.CountWebhook(operator.Webhook{Source: "qoreid", Code: 413, Status: "too_large", Lost: true})
	r.ask("/")
	m.CountTry(&inbox.Effect{Lane: inbox.EffectLane{Plugin: "crm", Origin: "https://crm.example.com"}}, &inbox.Sent{Failure: inbox.Retry})
	_, served := probe(operator.Health(r.opt, m), "/metrics")
	names := regexp.MustCompile("`(inbox_[a-z_]+)`").FindAllStringSubmatch(string(manual), -1)
	if len(names) < 6 {
		t.Fatalf("the manual names %q", names)
	}
	for _, name := range names {
		if !regexp.MustCompile(`(?m)^` + name[1] + `[ {]`).MatchString(served) {
			t.Errorf("there is no %s", name[1])
		}
	}
}

func TestTheFilterThatExcludesAnEventIsNamedFromTheLiveManifest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	e := r.accept(1, 1)[0]
	r.settle(&inbox.Settlement{Plugin: "p", Position: inbox.PositionChange{Cursor: 1, Filtered: 1}})
	for want, m := range map[string]*inbox.Manifest{
		"by its filter events":      {Events: []string{"other"}},
		"by its filter event_types": {EventTypes: []string{"other"}},
		"by its filter sources":     {Sources: []string{"other"}},
		"by its filter modes":       {Modes: []inbox.Mode{inbox.Test}},
		"by its filter where":       {Where: []inbox.Condition{{Pointer: "/nowhere", Values: []string{"x"}}}},
		"by the release that was live then; the live release wants it": {},
		"": nil,
	} {
		r.control.manifest = m
		d, err := r.client.Event(t.Context(), e.ID, api.Reveal{})
		if err != nil || len(d.Deliveries) != 1 || d.Deliveries[0].State != inbox.StateFiltered || d.Deliveries[0].Note != want {
			t.Errorf("%+v, %v; want %q", d.Deliveries, err, want)
		}
	}
	if p, err := r.client.Plugins(t.Context()); err != nil || len(p) != 1 || p[0].Filtered != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

// A disabled release is also named when the plugin's file is another release that was refused. Of several, the file's own is named.
func TestADisabledReleaseIsNamedBesideARefusedFile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	aside := func(release string) {
		for range inbox.CrashLoopAfter + 1 {
			if err := r.store.RecordStart(t.Context(), "p", release); err != nil {
				t.Fatal(err)
			}
			if _, err := r.store.CountCrashes(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	aside("rel1")
	aside("rel2")
	f := &r.control.files[0]
	f.State, f.Err = inbox.FileRefused, "it is garbage"
	st, err := r.client.Status(t.Context())
	if err != nil || !slices.ContainsFunc(st.Reasons, func(x api.Reason) bool { return x.Code == "disabled" && strings.Contains(x.Message, "rel1") }) {
		t.Errorf("%+v, %v", st.Reasons, err)
	}
	if p, err := r.client.Plugins(t.Context()); err != nil || p[0].Disabled != "rel1" {
		t.Errorf("%+v, %v", p, err)
	}
}

// A lane that is retried forever is neither dead nor parked, so no other reason names it.
func TestTheStatusNamesRunsWithManyAttempts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	list := r.accept(1, 1)
	e, err := r.store.Event(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	lane := inbox.LaneID{Mode: e.Mode, Key: e.View.Key}
	named := func() (found []api.Reason) {
		st, err := r.client.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(st.Reasons, func(x api.Reason) bool { return x.Code != "many_attempts" })
	}
	for n := 1; n <= 30; n++ {
		at := time.Now()
		r.settle(&inbox.Settlement{
			Plugin: "p", Position: inbox.PositionChange{Cursor: 1},
			Attempt: &inbox.Attempt{Plugin: "p", Seq: 1, Number: n, Result: inbox.Retry, Fate: inbox.Again, Counted: true, StartedAt: at, Release: "rel1"},
			Lane:    inbox.LaneChange{Put: &inbox.Lane{ID: lane, Next: 1, State: inbox.LaneRetry, DueAt: at.Add(time.Minute), Attempt: n, Counted: n, Since: at}},
		})
		if n == 29 && len(named()) > 0 {
			t.Errorf("named too early: %+v", named())
		}
	}
	if got := named(); len(got) != 1 || got[0].Plugin != "p" || !strings.Contains(got[0].Message, list[0].ID+" had 30 attempts") || !strings.Contains(got[0].Hint, "p.toml") {
		t.Errorf("%+v", got)
	}
}
