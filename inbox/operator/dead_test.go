package operator_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
)

func TestOnlyEventsThatThePluginWantsWaitBehindADeadLetter(t *testing.T) {
	t.Parallel()
	for _, rule := range []inbox.LaneRule{{Order: inbox.ByKey, By: inbox.KeyByKey}, {Order: inbox.ByKey, By: "/data/id"}, {Order: inbox.Global, By: inbox.KeyByKey}} {
		t.Run(rule.String(), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.plugin("p")
			r.control.manifest = &inbox.Manifest{Order: rule.Order, KeyBy: rule.By, Where: []inbox.Condition{{Pointer: "/data/step", Values: []string{"0", "1", "3"}}}}
			list := r.accept(1, 5) // steps 0 to 4
			e, err := r.store.Event(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			p, err := r.store.Payload(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			lane, now := rule.Lane(e, inbox.Digested(inbox.Scalars(p.Body).Text, r.store.LaneDigest)), time.Now()
			r.settle(&inbox.Settlement{
				Plugin: "p", Position: inbox.PositionChange{Cursor: 5}, Release: inbox.ReleaseChange{LaneRule: rule.String()},
				Attempt: &inbox.Attempt{Plugin: "p", Seq: 1, Number: 1, Result: inbox.Reject, Fate: inbox.Dead, Counted: true, StartedAt: now, Release: "rel1"},
				Lane:    inbox.LaneChange{Put: &inbox.Lane{ID: lane, Next: 1, State: inbox.LaneParked, Attempt: 1, Counted: 1, Since: now}},
				Dead:    &inbox.DeadLetter{Plugin: "p", Seq: 1, Attempt: 1, Lane: lane, Parks: true, Result: inbox.Reject, DiedAt: now},
			})
			letters, err := r.client.DeadLetters(t.Context(), inbox.Filter{}, nil, false, api.Reveal{})
			if err != nil || len(letters) != 1 || letters[0].Waiting != 2 || letters[0].AtLeast {
				t.Errorf("%+v, %v", letters, err)
			}
			would, err := r.client.Resolve(t.Context(), "retry", api.Resolve{All: true, DryRun: true, Brief: true})
			if err != nil || would.Count != 1 || would.Parked != 1 || would.Waiting != 2 || len(would.DeadLetters) != 0 {
				t.Errorf("%+v, %v", would, err)
			}
			var waiting []int64
			err = r.client.Deliveries(t.Context(), inbox.Filter{}, nil, []string{"waiting"}, func(d api.DeliveryLine) error {
				waiting = append(waiting, d.Seq)
				if d.Behind != list[0].ID {
					t.Errorf("%+v", d)
				}
				return nil
			})
			if err != nil || !slices.Equal(waiting, []int64{2, 4}) {
				t.Errorf("%v wait, %v", waiting, err)
			}
			d, err := r.client.Event(t.Context(), list[2].ID, api.Reveal{})
			if err != nil || d.Deliveries[0].State != inbox.StateFiltered || d.Deliveries[0].Note != "by its filter where" {
				t.Errorf("an event that is not wanted: %+v, %v", d.Deliveries, err)
			}
		})
	}
}

func TestDeathsAfterTheRequestAreNotResolved(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	r.accept(1, 1)
	r.accept(2, 1)
	r.die("p", 1, inbox.Reject)
	would, err := r.client.Resolve(t.Context(), "discard", api.Resolve{All: true, DryRun: true, Brief: true})
	if err != nil || would.Count != 1 || would.AsOf.IsZero() {
		t.Fatal(would, err)
	}
	for now := time.Now(); !time.Now().After(now.Add(2 * time.Millisecond)); { // deaths are kept to the millisecond
	}
	r.die("p", 2, inbox.Reject)
	var ids []int64
	did, err := r.client.EachResolved(t.Context(), "discard", api.Resolve{All: true, DiedBefore: would.AsOf}, func(l api.DeadLetter) error {
		ids = append(ids, l.Seq)
		return nil
	})
	if err != nil || did.Count != 1 || !slices.Equal(ids, []int64{1}) || did.DeadLetters != nil {
		t.Errorf("%+v, %v, %v", did, ids, err)
	}
	left, err := r.client.DeadLetters(t.Context(), inbox.Filter{}, nil, false, api.Reveal{})
	if err != nil || len(left) != 1 || left[0].Seq != 2 {
		t.Errorf("%+v, %v", left, err)
	}
}

func TestTheDeadLettersOfAReplayAreListedAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	r.accept(1, 2)
	r.die("p", 1, inbox.Reject)
	var n int
	err := r.client.EachDead(t.Context(), api.DeadQuery{Resolved: true, Replay: 1}, func(api.DeadLetter) error { n++; return nil })
	if err != nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestThousandsOfIDsAreRequestedInParts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	var ids []string
	for _, e := range r.accept(1, 2300) {
		ids = append(ids, e.ID)
	}
	r.die("p", 1, inbox.Reject)
	for _, f := range []inbox.Filter{{}, {Newest: true}, {Limit: 1500}, {Newest: true, Limit: 1500}} {
		var seqs []int64
		err := r.client.Events(t.Context(), f, slices.Clone(ids), func(e api.Event) error { seqs = append(seqs, e.Seq); return nil })
		want := 2300
		if f.Limit > 0 {
			want = f.Limit
		}
		if f.Newest {
			slices.Reverse(seqs)
		}
		if err != nil || len(seqs) != want || !slices.IsSorted(seqs) {
			t.Errorf("%+v: %d events, %v", f, len(seqs), err)
		}
	}
	letters, err := r.client.DeadLetters(t.Context(), inbox.Filter{}, ids, false, api.Reveal{})
	if err != nil || len(letters) != 1 {
		t.Errorf("%d letters, %v", len(letters), err)
	}
	made, err := r.client.CreateReplay(t.Context(), api.ReplayRequest{IDs: ids})
	if err != nil || made.Matched != 2300 || len(made.Filter.Seqs) > 1000 {
		t.Errorf("%d matched, %d seqs on the wire, %v", made.Matched, len(made.Filter.Seqs), err)
	}
	many := inbox.Filter{}
	for i := range 3000 {
		many.Events = append(many.Events, fmt.Sprintf("some-rather-long-name-%d", i))
	}
	if list := r.events(many); len(list) != 0 {
		t.Errorf("%d events", len(list))
	}
	for i := range 60_000 {
		many.Events = append(many.Events, fmt.Sprintf("some-rather-long-name-%d", i))
	}
	err = r.client.Events(t.Context(), many, nil, func(api.Event) error { return nil })
	wantKind(t, err, inbox.Invalid, "the filters are too long")
}

func TestResumeAllEndsEveryPause(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"a", "b", "c"} {
		r.plugin(name)
	}
	for _, name := range []string{"a", "c"} {
		if p, err := r.client.Act(t.Context(), name, "pause", api.ActionRequest{}); err != nil || !p.Paused {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if !slices.Equal(r.control.halted, []string{"a", "c"}) {
		t.Errorf("halted: %v", r.control.halted)
	}
	st, err := r.client.ResumeAll(t.Context(), api.ActionRequest{Reason: "done"})
	if err != nil || !r.control.resumed {
		t.Fatal(err)
	}
	for _, p := range st.Plugins {
		if p.Paused {
			t.Errorf("%s is paused", p.Name)
		}
	}
}
