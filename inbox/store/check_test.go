package store_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

// breaks has a statement for every invariant that violates it in a store after fill.
var breaks = map[string]string{
	"the log has no gap":                                 `UPDATE events SET seq = seq + 1 WHERE seq = (SELECT max(seq) FROM events)`,
	"stored_at never decreases":                          `UPDATE events SET stored_at = stored_at - 1000000 WHERE seq = 3`,
	"top_rank is the highest rank so far":                `UPDATE events SET top_rank = 3 WHERE seq = 1`,
	"late means that an earlier event has a higher rank": `UPDATE events SET late = 1 - late WHERE seq = 2`,
	"copies refer to events":                             `INSERT INTO copies VALUES (9999, 1, 1, 1)`,
	"no digest is stored twice":                          `UPDATE events SET digest = (SELECT digest FROM events WHERE seq = 1) WHERE seq = 2`,
	"every event has its payload":                        `DELETE FROM contents WHERE kind = 1 AND root_seq = 2`,
	"every refused request belongs to a slot":            `UPDATE refused SET share = 4711`,
	"a share has the sums of its requests":               `UPDATE refused_shares SET bytes = bytes + 1`,
	"every refused request has its payload":              `DELETE FROM contents WHERE kind = 2`,
	"every attempt has its reason and log":               `DELETE FROM contents WHERE id = (SELECT min(id) FROM contents WHERE kind = 3)`,
	"every content of an event has the event's subject":  `UPDATE contents SET subject = 'live/other' WHERE kind = 1 AND root_seq = 2`,
	"no content id exceeds the reserved ids":             `UPDATE meta SET value = '1' WHERE name = 'contents_reserved'`,
	"every content has an owner":                         `UPDATE attempts SET reason_id = NULL WHERE seq = 1`,
	"no cursor is beyond the log":                        `UPDATE plugins SET cursor = 9999`,
	"no lane is beyond the log":                          `UPDATE lanes SET next = 9999 WHERE state = 'ready'`,
	"a lane counts the attempts of its next event":       `UPDATE lanes SET attempt = attempt + 1 WHERE state = 'retry'`,
	"no event of a lane runs before an earlier one": `INSERT INTO attempts SELECT l.plugin, e.seq, 0, 1, 'ok', 'done', 1, 1, 1, NULL, NULL, 0, NULL, 0, NULL
		FROM lanes l JOIN events e ON e.mode = l.mode AND e.key = l.key AND e.seq > l.next WHERE l.state = 'parked' LIMIT 1`,
	"a parked lane has its dead letter":                              `UPDATE dead SET resolution = 'discarded', resolved_at = 1 WHERE parks = 1 AND resolution = ''`,
	"rows of plugins refer to known plugins":                         `INSERT INTO releases VALUES (NULL, 99, 'x', 'x', 1, x'', 1, '', x'', x'')`,
	"attempts refer to stored events and releases":                   `UPDATE attempts SET release = 77 WHERE seq = 1`,
	"attempts are numbered without a gap":                            `UPDATE attempts SET attempt = 7 WHERE seq = 1 AND run = 0`,
	"a plugin has no first run before its start":                     `UPDATE plugins SET started_at = cursor`,
	"a done attempt is the last of its run":                          `INSERT INTO attempts VALUES (1, 1, 0, 2, 'ok', 'done', 1, 1, 1, NULL, NULL, 0, NULL, 0, NULL)`,
	"a dead run continues only when it was retried":                  `UPDATE dead SET resolution = 'discarded' WHERE resolution = 'retried'`,
	"a failed run waits or is dead":                                  `DELETE FROM lanes WHERE state = 'retry'`,
	"a dead letter has its attempt":                                  `UPDATE dead SET result = 'trap' WHERE resolution = ''`,
	"a dead attempt has its dead letter":                             `DELETE FROM dead WHERE parks = 0`,
	"a run has at most one open dead letter":                         `INSERT INTO dead SELECT plugin, seq, run, attempt + 1, mode, key, parks, result, died_at, '', NULL FROM dead WHERE resolution = ''`,
	"a parking dead letter has its lane":                             `UPDATE lanes SET state = 'ready' WHERE state = 'parked'`,
	"every state document is there":                                  `DELETE FROM contents WHERE kind = 5`,
	"every value of kv is there":                                     `DELETE FROM contents WHERE kind = 6`,
	"a change of state was made by an attempt that settled":          `UPDATE states SET attempt = 9`,
	"an effect was asked for by an attempt that settled":             `UPDATE effects SET attempt = 9 WHERE id = 1`,
	"every effect has its request":                                   `DELETE FROM contents WHERE kind = 8`,
	"an effect that ended became the event that it names by then":    `UPDATE effects SET then_event = 'a.b' WHERE id = 1`,
	"no two effects have one key":                                    `UPDATE effects SET idempotency = 'x'`,
	"a lane of effects sends one at a time":                          `UPDATE effects SET due_at = 1 WHERE id IN (4, 5)`,
	"a lane of effects goes on":                                      `UPDATE effects SET due_at = NULL WHERE id = 4`,
	"a parked lane of effects sends nothing behind its dead one":     `UPDATE effects SET due_at = 1 WHERE id = 3`,
	"an effect counts its tries":                                     `UPDATE effects SET tries = 3 WHERE id = 1`,
	"the newest try of an effect explains its state":                 `UPDATE effect_tries SET fate = 'again'`,
	"tries refer to stored effects":                                  `UPDATE effect_tries SET effect = effect + 99`,
	"a fetch belongs to an attempt":                                  `UPDATE fetches SET attempt = attempt + 99`,
	"every fetch has its answer":                                     `DELETE FROM contents WHERE kind = 10`,
	"a fetch without a response says why":                            `UPDATE fetches SET why = 'no answer'`,
	"every answer is there":                                          `DELETE FROM contents WHERE kind = 9`,
	"an effect's origin is known":                                    `DELETE FROM effect_origins`,
	"a waiting run waits behind a lane that lags":                    `UPDATE runs SET key = 'nowhere' WHERE waits = 1`,
	"a run counts its attempts":                                      `UPDATE runs SET attempt = 9`,
	"a pending run is neither done nor dead":                         `INSERT INTO runs SELECT plugin, seq, run, 0, mode, key, 0, 1, attempt, 0 FROM dead WHERE resolution = ''`,
	"runs refer to stored events and replays":                        `UPDATE runs SET replay = 55 WHERE waits = 1`,
	"attempts of a replay refer to a stored replay":                  `UPDATE attempts SET run = 66 WHERE run > 0`,
	"parts of a replay refer to a stored replay":                     `DELETE FROM replays`,
	"a replay is done when all its parts are":                        `UPDATE replay_parts SET done = 0`,
	"a replay counts its waiting runs":                               `UPDATE replay_parts SET waiting = waiting + 1`,
	"a replay counts at most the runs that ended":                    `UPDATE replay_parts SET ok = ok + 100`,
	"a replay stays within its bounds":                               `UPDATE replay_parts SET position = 9999`,
	"a sealed run has the digests of all its seqs":                   `DELETE FROM digest_entries WHERE seq = 5`,
	"sealed runs follow each other from the first event":             `UPDATE digest_runs SET first = first + 1 WHERE sealed = 1`,
	"a sealed digest is its event's":                                 `UPDATE digest_entries SET hash = hash + 1 WHERE seq = 5`,
	"no document has a higher version than its plugin":               `UPDATE states SET version = version + 100`,
	"an emitted event has its cause":                                 `DELETE FROM emitted WHERE depth = 2`,
	"a cause belongs to an emitted event of the same mode":           `UPDATE emitted SET seq = 2, cause = 1, idx = 9 WHERE seq = (SELECT max(seq) FROM emitted)`,
	"an emitted event has at most its part of its cause's allowance": `UPDATE emitted SET share = 10000 WHERE depth = 1`,
	"an emitted event is one deeper than its cause":                  `UPDATE emitted SET depth = 5 WHERE depth = 2`,
	"an event was emitted by an attempt that settled":                `UPDATE emitted SET attempt = 9`,
	"the events of an attempt are numbered in order":                 `UPDATE emitted SET idx = 7 WHERE seq = (SELECT max(seq) FROM emitted)`,

	"a change of state without an attempt is a reset, or a fold of events that settled": `UPDATE states SET attempt = 0, run = 1`,
	"an event that was stored after its key was linked has a reference": `INSERT INTO entity_links SELECT mode, key, 'c', 0, 1 FROM events WHERE seq = 2;
		UPDATE events SET customer_reference = '' WHERE seq = 2`,
	"no link is beyond the log": `INSERT INTO entity_links VALUES ('live', 'k', 'c', 9999, 1)`,
}

func TestCheckFindsEveryViolatedInvariant(t *testing.T) {
	t.Parallel()
	names := store.InvariantNames()
	for name := range breaks {
		if !slices.Contains(names, name) {
			t.Errorf("there is no invariant %q", name)
		}
	}
	dir := inboxtest.Dir(t)
	fill(t, dir)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			statement, ok := breaks[name]
			if !ok {
				t.Fatal("no statement violates it")
			}
			broken := store.CopyClosed(t, dir)
			store.Exec(t, broken, `PRAGMA ignore_check_constraints = 1; `+statement)
			s, err := store.Open(ctx, store.Options{Dir: broken, MinFree: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			problems, err := s.Check(ctx, nil)
			if err != nil || !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, `"`+name+`": `) }) {
				t.Errorf("found %q, %v", problems, err)
			}
		})
	}
}

// fill creates a store with rows in every table, and closes it.
func fill(t *testing.T, dir string) {
	t.Helper()
	s, done := serve(t, store.SmallRuns(store.Options{Dir: dir}, 8))
	w := storetest.NewWorld(t, s)
	for i := range 20 {
		w.Arrive(i % 4)
	}
	w.Run(0, inbox.Done, false)
	w.Run(0, inbox.Dead, false)
	w.Resolve(w.Events[4], 0, inbox.Retried)
	w.Continue(w.Events[4], w.Events[4].Runs[0], inbox.Dead)
	w.Run(1, inbox.Done, false)
	w.Run(1, inbox.Dead, true)
	w.Run(2, inbox.Again, false)
	w.Run(3, inbox.Dead, true)
	w.Resolve(w.Events[3], 0, inbox.Discarded)
	w.Replay(inbox.OnlyAll, func() inbox.Fate { return inbox.Done })
	storetest.AskAndSend(t, s, w)
	refused := &inbox.Refused{Source: "q", Address: "10.0.0.1", Why: "mismatch", ReceivedAt: w.Now, Payload: inbox.Payload{Body: []byte("refused")}}
	if err := s.Refuse(ctx, refused); err != nil {
		t.Fatal(err)
	}
	w.Verify()
	emit(t, s)
	inboxtest.Eventually(t, "digests are sealed", func() bool { _, runs := store.Digests(s); return runs >= 2 })
	done()
}

// emit makes a plugin q emit events, one of them in answer to the other.
func emit(t *testing.T, s *store.Store) {
	t.Helper()
	if err := s.Register(ctx, "q", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []int64{1, s.Head() + 1} {
		st := storetest.Emitting(seq, inbox.Emission{Event: "a.b", Body: []byte("1")}, inbox.Emission{Event: "a.b", Body: []byte("1")})
		st.Plugin, st.Attempt.Plugin = "q", "q"
		if err := storetest.Settle(s, st); err != nil {
			t.Fatal(err)
		}
	}
}

func TestACheckBesideAServerFindsNoProblemAndReportsProgress(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	inboxtest.Fill(t, s, 700)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				inboxtest.Accept(t, s, inboxtest.Body(i, 1))
			}
		}
	})
	var last, total int64
	for range 3 {
		problems, err := s.Check(ctx, func(done, of int64) { last, total = done, of })
		if err != nil || len(problems) > 0 {
			t.Errorf("found %q, %v", problems, err)
		}
		if last < 700 || last != total {
			t.Errorf("%d of %d were read", last, total)
		}
	}
	close(stop)
	wg.Wait()
}
