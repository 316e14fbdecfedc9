package storetest

import (
	"slices"
	"testing"

	"inbox/inbox"
)

// heldTests are the tests of the requests of replays.
func heldTests() []test {
	return []test{
		{"a replay holds its requests until they are released", aReplayHoldsItsRequestsUntilTheyAreReleased},
		{"a replay drops its requests and counts them", aReplayDropsItsRequestsAndCountsThem},
		{"a replay keeps the keys of the first run when asked", aReplayKeepsTheKeysOfTheFirstRunWhenAsked},
		{"a request that is not sent yet is dropped", aRequestThatIsNotSentYetIsDropped},
	}
}

// replayAsking replays event 1, whose attempt asks for requests to some paths of one origin, and returns the replay.
func replayAsking(t *testing.T, s Store, how inbox.ReplayEffects, keep bool, paths ...string) *inbox.Replay {
	t.Helper()
	j := &inbox.Replay{Only: inbox.OnlyAll, Plugins: []string{"p"}, Filter: inbox.Filter{Seqs: []int64{1}}, Effects: how, KeepKeys: keep}
	if err := s.CreateReplay(t.Context(), operator, j); err != nil {
		t.Fatal(err)
	}
	st := &inbox.Settlement{Plugin: "p", Attempt: Attempt(1, 1, inbox.OK, inbox.Done), Effects: &inbox.Effects{Lane: OneLane()}}
	st.Attempt.Plugin, st.Attempt.Run = "p", j.ID
	for _, path := range paths {
		st.Effects.Requests = append(st.Effects.Requests, Ask(crm, path))
	}
	st.Replay = &inbox.ReplayStep{Replay: j.ID, Plugin: "p", Position: j.Upto, Add: inbox.ReplayCount{OK: 1}, Done: true}
	if err := Settle(s, st); err != nil {
		t.Fatal(err)
	}
	return j
}

// askFirst settles the first run of event 1 with requests to some paths.
func askFirst(t *testing.T, s Store, paths ...string) {
	t.Helper()
	st := &inbox.Settlement{Attempt: Attempt(1, 1, inbox.OK, inbox.Done), Effects: &inbox.Effects{Lane: OneLane()}}
	for _, path := range paths {
		st.Effects.Requests = append(st.Effects.Requests, Ask(crm, path))
	}
	st.Position.Cursor = 1
	mustSettle(t, s, st)
}

// effectStates returns the states of all effects, the oldest first.
func effectStates(t *testing.T, s Store) (states []inbox.EffectState) {
	t.Helper()
	err := s.EachEffect(t.Context(), inbox.EffectFilter{}, func(d *inbox.EffectDetail) error {
		states = append([]inbox.EffectState{d.State}, states...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return states
}

// dueIDs returns the ids of the effects that are due.
func dueIDs(t *testing.T, s Store) (ids []int64) {
	t.Helper()
	list, err := s.DueEffects(t.Context(), "p", crm, 100)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		ids = append(ids, list[i].ID)
	}
	return ids
}

// resolve resolves effects, each of which must succeed or fail with a Conflict.
func resolve(t *testing.T, s Store, how inbox.Resolution, conflict bool, ids ...int64) {
	t.Helper()
	failed, err := s.ResolveEffects(t.Context(), operator, how, ids)
	for i := range ids {
		if err != nil || (failed[i] == nil) == conflict || conflict && inbox.KindOf(failed[i]) != inbox.Conflict {
			t.Errorf("effect %d %s: %v, %v", ids[i], how, failed, err)
			return
		}
	}
}

func aReplayHoldsItsRequestsUntilTheyAreReleased(t *testing.T, open Open) {
	s := ready(t, open, 1)
	askFirst(t, s, "/1")
	replayAsking(t, s, inbox.HoldEffects, false, "/2", "/3")
	held, waiting := inbox.EffectHeld, inbox.EffectWaiting
	if got := effectStates(t, s); !slices.Equal(got, []inbox.EffectState{waiting, held, held}) || !slices.Equal(dueIDs(t, s), []int64{1}) {
		t.Fatalf("the effects are %v, due %v", got, dueIDs(t, s))
	}
	resolve(t, s, inbox.Retried, true, 2)
	resolve(t, s, inbox.Discarded, true, 2)
	resolve(t, s, inbox.Released, true, 1)
	resolve(t, s, inbox.Released, false, 3)
	if got := dueIDs(t, s); !slices.Equal(got, []int64{1}) {
		t.Errorf("behind the request that is due, %v are due", got)
	}
	resolve(t, s, inbox.Released, false, 2)
	send := func(want ...int64) {
		t.Helper()
		list, err := s.DueEffects(t.Context(), "p", crm, 1)
		if err != nil || len(list) != 1 {
			t.Fatalf("due: %v, %v", list, err)
		}
		if err := settleSend(s, &inbox.SendSettlement{Term: s.Term(), Effect: &list[0], Sent: answered(200), Decision: inbox.Decision{Fate: inbox.Done}}); err != nil {
			t.Fatal(err)
		}
		if got := dueIDs(t, s); !slices.Equal(got, want) {
			t.Errorf("due: %v, want %v", got, want)
		}
	}
	send(2)
	send(3)
	send()
}

func aReplayDropsItsRequestsAndCountsThem(t *testing.T, open Open) {
	s := ready(t, open, 1)
	askFirst(t, s, "/1")
	j := replayAsking(t, s, inbox.DropEffects, false, "/2", "/3")
	if got := effectStates(t, s); len(got) != 1 {
		t.Errorf("the effects are %v", got)
	}
	r, err := s.Replay(t.Context(), j.ID)
	if err != nil || r.Effects != inbox.DropEffects || len(r.Parts) != 1 || r.Parts[0].Dropped != 2 {
		t.Errorf("the replay is %+v, %v", r, err)
	}
	bad := &inbox.Replay{Only: inbox.OnlyAll, Plugins: []string{"p"}, Effects: "sideways"}
	if err := s.CreateReplay(t.Context(), operator, bad); inbox.KindOf(err) != inbox.Invalid {
		t.Errorf("a choice that no replay has: %v", err)
	}
}

func aReplayKeepsTheKeysOfTheFirstRunWhenAsked(t *testing.T, open Open) {
	s := ready(t, open, 1)
	askFirst(t, s, "/1")
	replayAsking(t, s, inbox.SendEffects, true, "/1")
	replayAsking(t, s, inbox.SendEffects, false, "/1")
	var keys []string
	if err := s.EachEffect(t.Context(), inbox.EffectFilter{}, func(d *inbox.EffectDetail) error { keys = append(keys, d.Key); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 3 || keys[1] != keys[2] || keys[0] == keys[1] {
		t.Errorf("the keys, the newest first: %v", keys)
	}
}

func aRequestThatIsNotSentYetIsDropped(t *testing.T, open Open) {
	s := ready(t, open, 1)
	askFirst(t, s, "/1", "/2", "/3", "/4")
	list, err := s.DueEffects(t.Context(), "p", crm, 1)
	if err != nil || len(list) != 1 {
		t.Fatalf("due: %v, %v", list, err)
	}
	resolve(t, s, inbox.Dropped, false, 1, 3) // the try of 1 runs
	if err := settleSend(s, &inbox.SendSettlement{Term: s.Term(), Effect: &list[0], Sent: answered(200), Decision: inbox.Decision{Fate: inbox.Done}}); err != nil {
		t.Fatal(err)
	}
	dropped, waiting := inbox.EffectDiscarded, inbox.EffectWaiting
	if got := effectStates(t, s); !slices.Equal(got, []inbox.EffectState{dropped, waiting, dropped, waiting}) || !slices.Equal(dueIDs(t, s), []int64{2}) {
		t.Errorf("the effects are %v, due %v", got, dueIDs(t, s))
	}
	resolve(t, s, inbox.Dropped, true, 1)
}
