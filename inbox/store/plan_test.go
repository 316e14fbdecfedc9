package store_test

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

// small lists the tables that do not grow with the log, and those that are scanned on purpose: copies for its sum, and audit from
// its newest row on.
var small = []string{"plugins", "p", "replays", "replay_parts", "refused", "refused_dropped", "copies", "digest_runs", "releases", "audit", "tokens", "json_each", "j", "x", "sqlite_master"}

// TestNoQueryReadsAWholeTable runs all operations of the store and checks the plans of their statements. The invariants of Check
// are not among them, because they read whole tables.
func TestNoQueryReadsAWholeTable(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.SmallRuns(store.Options{}, 8))
	w := storetest.NewWorld(t, s)
	r := store.Record(t, s)
	everything(t, s, w)
	scan := regexp.MustCompile(`^SCAN (\w+)(.*)$`)
	oneStep := regexp.MustCompile(`ORDER BY seq( DESC)? LIMIT 1\)`)
	seen := map[string]bool{}
	for query, plan := range r.Plans(t) {
		for _, step := range plan {
			seen[step] = true
			m := scan.FindStringSubmatch(step)
			switch {
			case m == nil && !strings.HasSuffix(step, "events_by_key (mode=?)"): // that step reads half the log, and not in its order
			case m != nil && (slices.Contains(small, m[1]) || m[1] == "CONSTANT" || strings.HasPrefix(m[1], "pragma_") || m[1] == "2"):
			case strings.Contains(query, "e.seq BETWEEN ? AND ? AND e.mode = ? AND e.customer_reference = ?"): // known to be slow
			case query == "SELECT EXISTS (SELECT 1 FROM entity_links)": // it ends with the first row
			case strings.Contains(step, "INDEX dead_open"), strings.Contains(step, "INDEX effects_dead"): // they have only dead ones
			case step == "SCAN events" && oneStep.MatchString(query):
			default:
				t.Errorf("%s\n\tin %s\n\tof %s", step, strings.Join(plan, "\n\t   "), query)
			}
		}
	}
	for _, want := range []string{
		"SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",                               // the log, in chunks
		"SEARCH e USING INDEX events_by_key (mode=? AND key=? AND seq>? AND seq<?)",              // a lane's events, an entity's
		"SEARCH attempts USING PRIMARY KEY (plugin=? AND seq>?)",                                 // the settled events above the cursor
		"SEARCH lanes USING PRIMARY KEY (plugin=? AND mode=? AND key=?)",                         // a lane
		"SEARCH runs USING INDEX runs_waiting (plugin=? AND mode=? AND key=?)",                   // the runs that wait behind a lane
		"SEARCH e USING INTEGER PRIMARY KEY (rowid=?)",                                           // an event
		"SEARCH events USING INDEX events_by_key (mode=? AND key=?)",                             // the events before an arrival
		"SEARCH n USING COVERING INDEX events_by_key (mode=? AND key=? AND seq>?)",               // the newest of a key
		"SEARCH digest_entries USING PRIMARY KEY (run=? AND hash=?)",                             // a sealed duplicate
		"SEARCH json_each VIRTUAL TABLE INDEX 1:",                                                // many seqs as one parameter
		"SEARCH d USING INDEX dead_open_by_death ((died_at,seq,plugin,run,attempt)<(?,?,?,?,?))", // dead letters, newest first
		"SEARCH d USING INDEX dead_by_run (run=? AND (died_at,seq,plugin)<(?,?,?))",              // the dead letters of a replay
		"SEARCH d USING INDEX dead_open ((plugin,seq,run)>(?,?,?))",                              // open dead letters in the order of the log
		"SEARCH lanes USING INDEX lanes_by_state (plugin=? AND state=?)",                         // the ready lanes of a plugin
		"SEARCH runs USING INDEX runs_due (plugin=?)",                                            // the due runs of a plugin
		"SEARCH a USING PRIMARY KEY (plugin=? AND seq=?)",                                        // an event's attempts
		"SEARCH c USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",                                 // a payload
	} {
		if !seen[want] && !strings.Contains(want, "json_each") {
			t.Errorf("no statement has the step %q", want)
		}
	}
	if t.Failed() {
		for _, step := range slices.Sorted(maps.Keys(seen)) {
			t.Log(step)
		}
	}
}

// everything runs every operation of the store.
func everything(t *testing.T, s *store.Store, w *storetest.World) {
	t.Helper()
	for i := range 40 {
		w.Arrive(i % 5)
	}
	w.Run(0, inbox.Done, false)
	w.Run(1, inbox.Again, false)
	w.Run(1, inbox.Dead, true)
	w.Run(2, inbox.Dead, false)
	w.Run(3, inbox.Dead, true)
	w.Resolve(w.Events[2], 0, inbox.Retried)
	w.Resolve(w.Events[3], 0, inbox.Discarded)
	w.Continue(w.Events[2], w.Events[2].Runs[0], inbox.Done)
	w.Replay(inbox.OnlyAll, func() inbox.Fate { return inbox.Done })
	effects(t, s, w)
	inboxtest.Accept(t, s, inboxtest.Body(3, 1))
	inboxtest.Fill(t, s, 20)
	inboxtest.Eventually(t, "digests are sealed", func() bool { _, runs := store.Digests(s); return runs >= 6 })
	if r := inboxtest.Accept(t, s, inboxtest.Body(3, 1)); r.Status != inbox.Duplicate {
		t.Errorf("receipt %+v", r)
	}
	key, now := w.Lanes[1].ID, time.Now()
	if err := s.Refuse(ctx, &inbox.Refused{Source: "q", Address: "a", Why: "mismatch", ReceivedAt: now, Payload: inbox.Payload{Body: []byte("x")}}); err != nil {
		t.Error(err)
	}
	every := inbox.Filter{
		Seqs: []int64{1, 2, 3}, Events: []string{"work*"}, EventTypes: []string{"*"}, Sources: []string{"qoreid"}, Mode: inbox.Live, Key: key.Key,
		CustomerReference: "ref-3", Statuses: []string{"unknown"}, Plugin: "p", Since: now.Add(-time.Hour), Until: now.Add(time.Hour),
		Where: []inbox.Condition{{Pointer: "/data/n", Values: []string{"1"}}}, Limit: 5, Before: 40,
	}
	job := inbox.Replay{Plugins: []string{"p"}, Filter: inbox.Filter{Key: key.Key}}
	for name, err := range map[string]error{
		"create":  s.CreateReplay(ctx, operator, &job),
		"cancel":  s.CancelReplay(ctx, operator, job.ID),
		"release": s.SaveRelease(ctx, inbox.Release{ID: "r", Plugin: "p"}),
		"live":    s.SetLive(ctx, "p", "r"),
		"pause":   s.SetPaused(ctx, operator, "p", true),
		"resume":  s.ResumeHold(ctx, operator, "p"),
		"pin":     s.SetPin(ctx, operator, "p", "r", "x"),
		"unpin":   s.Unpin(ctx, "p"),
		"remove":  removed(s),
		"audit":   s.Audit(ctx, operator, "reveal", "event 1"),
		"token":   tokens(s),
		"link":    links(s, key.Key),
		"refused": s.EachRefused(ctx, "q", func(*inbox.Refused) error { return nil }),
		"backup":  s.Backup(ctx, operator, t.TempDir()+"/copy.db"),
		"ready":   s.Ready(ctx),
		"counts":  s.CountRefusals(ctx, []inbox.Refusal{{Source: "q", Why: "too_large", Hour: now.Truncate(time.Hour), Count: 1, LastAt: now}}),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	otherLanes(t, s, w)
	deleteLane(t, s)
	for _, f := range []inbox.Filter{{}, every, {Mode: inbox.Live}, {CustomerReference: "ref-3", Mode: inbox.Live}, {Since: every.Since, Until: every.Until}, {Newest: true, Limit: 1}, {Seqs: []int64{4, 5}}, {Key: key.Key}, {Plugin: "p"}} {
		for _, only := range []inbox.Only{inbox.OnlyAll, inbox.OnlyFailed, inbox.OnlyMissing} {
			_, _, _, err := s.CountReplay(ctx, f, only, []string{"p"})
			must(t, "count", err)
			_, _, err = s.Match(ctx, &inbox.Replay{Filter: f, Only: only, Upto: 40}, "p", 0, 10)
			must(t, "match", err)
		}
		_, err := s.Find(ctx, f)
		must(t, "find", err)
		_, err = s.DeadLetters(ctx, inbox.DeadLetterFilter{Filter: f})
		must(t, "dead letters", err)
		_, err = s.DeadLetters(ctx, inbox.DeadLetterFilter{Filter: f, Resolved: true})
		must(t, "dead letters", err)
		_, err = s.DeadLetters(ctx, inbox.DeadLetterFilter{Filter: f, Run: 1, Resolved: true})
		must(t, "dead letters", err)
		for _, words := range [][]string{{"retry"}, {"waiting", "pending"}, {"dead"}, {"held"}, {"ok", "discarded"}} {
			err = s.EachDelivery(ctx, inbox.DeliveryFilter{Filter: f, Outcomes: words}, func(*inbox.DeliveryStatus) error { return nil })
			must(t, "deliveries", err)
		}
		_, _, err = s.Forecast(ctx, &inbox.Replay{Filter: f, Upto: 40}, "p", nil)
		must(t, "forecast", err)
		err = s.OpenDeadLetters(ctx, inbox.DeadLetterFilter{Filter: f}, func([]inbox.DeadLetterDetail) error { return nil })
		must(t, "dead letters", err)
		_, err = s.Entities(ctx, inbox.EntityFilter{Filter: f, Open: true, OlderThan: 1})
		must(t, "entities", err)
	}
	reads(t, s, key)
}

// deleteLane deletes a lane, so that the query for the runs that wait behind it runs.
func deleteLane(t *testing.T, s *store.Store) {
	t.Helper()
	gone := inbox.LaneID{Mode: inbox.Live, Key: "no such key"}
	answer := make(chan error, 1)
	must(t, "settle", s.Settle(ctx, &inbox.Settlement{Plugin: "p", Term: s.Term(), Lane: inbox.LaneChange{Gone: &gone}}, func(err error) { answer <- err }))
	must(t, "settle", <-answer)
}

// removed registers a plugin and removes it.
func removed(s *store.Store) error {
	if err := s.Register(ctx, "gone", inbox.StartFrom{}); err != nil {
		return err
	}
	_, err := s.RemovePlugin(ctx, operator, "gone")
	return err
}

// tokens makes a token, uses it, and revokes it.
func tokens(s *store.Store) error {
	hash := inbox.HashToken("secret")
	if err := s.NewToken(ctx, operator, &inbox.Token{Name: "t", Scopes: []inbox.Scope{inbox.ScopeRead}}, hash); err != nil {
		return err
	}
	s.UseToken(ctx, "t", time.Now())
	_, err := s.TokenByHash(ctx, hash)
	_, all := s.Tokens(ctx)
	return errors.Join(err, all, s.RevokeToken(ctx, operator, "t"))
}

// links links a key, and links it again to another reference.
func links(s *store.Store, key string) error {
	r := inbox.LinkRequest{Mode: inbox.Live, Key: key, Reference: "ref-3", Replace: true}
	_, err := s.LinkEntity(ctx, operator, &r)
	r.Reference = "ref-4"
	_, again := s.LinkEntity(ctx, operator, &r)
	_, read := s.LinkedReference(ctx, inbox.Live, key)
	return errors.Join(err, again, read)
}

// otherLanes parks and readies lanes of the rules other than the default, and reads their dead letters and traces.
func otherLanes(t *testing.T, s *store.Store, w *storetest.World) {
	t.Helper()
	for plugin, rule := range map[string]string{"g": "global key", "r": "key customer_reference", "n": "none key"} {
		must(t, "register", s.Register(ctx, plugin, inbox.StartFrom{Start: true}))
		id := inbox.LaneID{Mode: inbox.Live, Key: map[string]string{"g": "@global", "r": "@ref/ref-3", "n": "@seq/2"}[plugin]}
		st := w.Attempt(w.Events[1], 0, inbox.Dead)
		st.Attempt.Number, st.Dead.Attempt, st.Dead.Parks, st.Dead.Lane, st.Release.LaneRule = 1, 1, true, id, rule
		st.Lane.Put = &inbox.Lane{ID: id, Next: 2, State: inbox.LaneParked, Attempt: 1, Counted: 1, Since: w.Now}
		answer := make(chan error, 1)
		st.Plugin, st.Term = plugin, s.Term()
		must(t, "settle", s.Settle(ctx, st, func(err error) { answer <- err }))
		must(t, "settle", <-answer)
		_, err := s.DeadLetters(ctx, inbox.DeadLetterFilter{})
		must(t, "dead letters", err)
		must(t, "discard", s.Discard(ctx, operator, plugin, 2, 0))
		_, err = s.Trace(ctx, 7)
		must(t, "trace", err)
	}
}

// reads calls all methods that read without a filter.
func reads(t *testing.T, s *store.Store, id inbox.LaneID) {
	t.Helper()
	for name, read := range map[string]func() (any, error){
		"after":      func() (any, error) { return s.EventsAfter(ctx, 3, 5) },
		"lane":       func() (any, error) { return s.Lane(ctx, "p", id) },
		"of a lane":  func() (any, error) { return s.LaneEvents(ctx, id.Mode, id.Key, 1, 40, 5) },
		"references": func() (any, error) { return s.ReferenceEvents(ctx, id.Mode, "ref-3", 1, 40, 5) },
		"payloads":   func() (any, error) { return s.Payloads(ctx, []int64{2, 1 << 40}) },
		"payload":    func() (any, error) { return s.Payload(ctx, 2) },
		"settled":    func() (any, error) { return s.SettledAbove(ctx, "p", 0, 0) },
		"replayed":   func() (any, error) { return s.SettledAbove(ctx, "p", 1, 0) },
		"runs":       func() (any, error) { return s.Runs(ctx, "p", 0) },
		"jobs":       func() (any, error) { return s.Replays(ctx, "p") },
		"all jobs":   func() (any, error) { return s.Replays(ctx, "") },
		"dead":       func() (any, error) { return s.DeadLetter(ctx, "p", 2) },
		"timeline":   func() (any, error) { return s.EntityTrace(ctx, id.Mode, id.Key) },
		"plugins":    func() (any, error) { return s.Plugins(ctx) },
		"releases":   func() (any, error) { return s.Releases(ctx, "p") },
		"letters of": func() (any, error) { return s.DeadLettersOf(ctx, []inbox.DeadLetter{{Plugin: "p", Seq: 2}}) },
		"ready":      func() (any, error) { return s.Lanes(ctx, "p", inbox.LaneReady, 5) },
		"goes on":    func() (any, error) { return s.IsRetried(ctx, "p", 3) },
		"of a job":   func() (any, error) { return s.ReplayRuns(ctx, "p", 1) },
		"each lane":  func() (any, error) { return nil, s.EachLane(ctx, "p", func(inbox.LaneID, inbox.LaneState) {}) },
		"stats":      func() (any, error) { return s.Stats(ctx) },
		"state":      func() (any, error) { return eachState(s, id) },
		"audit":      func() (any, error) { return s.AuditLog(ctx, inbox.AuditFilter{Limit: 5}) },
		"refused":    func() (any, error) { return s.RefusedList(ctx, "q", 5) },
		"refusals":   func() (any, error) { return s.Refusals(ctx, time.Now()) },
	} {
		_, err := read()
		must(t, name, err)
	}
	_, _, err := s.Load(ctx, "p")
	must(t, "load", err)
}

// eachState calls all methods that read state documents.
func eachState(s *store.Store, lane inbox.LaneID) (any, error) {
	id := inbox.StateID{Plugin: "p", Lane: lane}
	var errs []error
	for _, at := range []inbox.StateMoment{{}, {Change: 1}, {Seq: 1}, {Time: time.Now()}} {
		if _, err := s.StateAt(ctx, id, at); inbox.KindOf(err) != inbox.NotFound {
			errs = append(errs, err)
		}
	}
	each := func(*inbox.StateEntry) error { return nil }
	errs = append(errs, s.EachState(ctx, inbox.StateFilter{}, each), s.EachStateChange(ctx, id, inbox.StateHistory{}, each),
		s.EachStateChange(ctx, id, inbox.StateHistory{Documents: true}, each))
	return nil, errors.Join(errs...)
}

func must(t *testing.T, name string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// effects runs the operations on effects.
func effects(t *testing.T, s *store.Store, w *storetest.World) {
	t.Helper()
	storetest.AskAndSend(t, s, w)
	for _, f := range []inbox.EffectFilter{
		{}, {IDs: []int64{1, 2}}, {States: []inbox.EffectState{inbox.EffectDead}}, {States: []inbox.EffectState{inbox.EffectRetry}, Origin: "o"},
		{Filter: inbox.Filter{Key: w.Lanes[7].ID.Key}}, {Filter: inbox.Filter{Seqs: []int64{3}, Plugin: "p"}},
	} {
		if err := s.EachEffect(ctx, f, func(*inbox.EffectDetail) error { return nil }); err != nil {
			t.Error(err)
		}
	}
	_, err := s.EffectCounts(ctx)
	_, why := s.EffectOrigins(ctx, s.Term())
	if _, err := s.EffectRequests(ctx, []int64{1, 2}); err != nil {
		t.Error(err)
	}
	who := inbox.Actor{Name: "test"}
	j := &inbox.Replay{Only: inbox.OnlyAll, Plugins: []string{"p"}, Filter: inbox.Filter{Seqs: []int64{1}}, Effects: inbox.HoldEffects}
	must(t, "a replay that holds", s.CreateReplay(ctx, who, j))
	journal, err2 := s.ReplayJournal(ctx, "p", 1, j.ID)
	if must(t, "its journal", err2); len(journal.Fetches) != 1 {
		t.Errorf("its journal is %+v", journal)
	}
	must(t, "cancel it", s.CancelReplay(ctx, who, j.ID))
	_, gone := s.Effect(ctx, 99)
	_, wrong := s.ResolveEffects(ctx, inbox.Actor{}, inbox.Retried, []int64{2})
	if err != nil || why != nil || inbox.KindOf(gone) != inbox.NotFound || wrong != nil {
		t.Error(err, why, gone, wrong)
	}
}
