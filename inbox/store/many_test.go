package store_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// manyDead returns a store of n events that are dead in plugin p and park their lanes. It inserts them by a few statements.
func manyDead(t *testing.T, n int) *store.Store {
	t.Helper()
	dir := inboxtest.Dir(t)
	s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	stop := inboxtest.Run(t, s)
	must(t, "register", s.Register(ctx, "p", inbox.StartFrom{Start: true}))
	count := fmt.Sprintf(`WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < %d)`, n)
	for _, statement := range []string{
		`INSERT INTO events (seq, digest, source, mode, origin, secret, event, event_type, external_id, key, customer_reference, verdict, status,
				state, sub_status, rank, top_rank, late, duplicate_hint, norm_version, size, content_id, received_at, first_seen_at, stored_at) ` + count + `
			SELECT i, randomblob(32), 'qoreid', 'live', 'webhook', 'test', 'workflow', 'x', i, 'qoreid/workflow/' || i, '',
				'unknown', '', '', '', 1, 1, 0, 0, 1, 2, NULL, 1000000 + i, 1000000 + i, 1000000 + i FROM n`,
		`INSERT INTO attempts (plugin, seq, run, attempt, result, fate, counted, started_at, duration, host_words, log_cut) ` + count + `
			SELECT 1, i, 0, 1, 'reject', 'dead', 1, 1000000 + i, 1, 0, 0 FROM n`,
		`INSERT INTO dead (plugin, seq, run, attempt, mode, key, parks, result, died_at, resolution) ` + count + `
			SELECT 1, i, 0, 1, 'live', 'qoreid/workflow/' || i, 1, 'reject', 1000000 + i / 100, '' FROM n`,
		`INSERT INTO lanes (plugin, mode, key, next, state, attempt, counted, since) ` + count + `
			SELECT 1, 'live', 'qoreid/workflow/' || i, i, 'parked', 1, 1, 1000000 FROM n`,
		fmt.Sprintf(`UPDATE plugins SET cursor = %d, lane_rule = 'key key'`, n),
	} {
		must(t, "build", store.Write(s, statement))
	}
	stop()
	must(t, "close", s.Close())
	return inboxtest.Store(t, store.Options{Dir: dir})
}

// inUse returns the number of bytes of the heap that are in use.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestManyDeadLettersAreReadAndResolvedInPages(t *testing.T) {
	n := long(5000, 5000, 200_000)
	s := manyDead(t, n)
	r := store.Record(t, s)
	before, peak, read := inUse(), int64(0), 0
	measure := func() {
		if read++; read%(n/8) == 0 {
			peak = max(peak, inUse()-before)
		}
	}
	began := time.Now()
	wants := func(string) (*inbox.Manifest, error) { return &inbox.Manifest{}, nil }
	must(t, "dead letters", s.EachDeadLetter(ctx, inbox.DeadLetterFilter{Manifest: wants}, func(l *inbox.DeadLetterDetail) error {
		measure()
		if l.Waiting != 0 || l.AtLeast {
			t.Fatalf("%+v", l)
		}
		return nil
	}))
	t.Logf("%d dead letters read in %s", read, time.Since(began))
	if read != n {
		t.Errorf("%d dead letters", read)
	}
	seqs := make([]int64, 0, 3000)
	for i := range 3000 {
		seqs = append(seqs, int64(i+1))
	}
	list, err := s.DeadLetters(ctx, inbox.DeadLetterFilter{Filter: inbox.Filter{Seqs: seqs}})
	if err != nil || len(list) != 3000 {
		t.Errorf("%d dead letters of 3000 seqs, %v", len(list), err)
	}
	if list, err = s.DeadLetters(ctx, inbox.DeadLetterFilter{Run: 7, Resolved: true}); err != nil || len(list) != 0 {
		t.Errorf("dead letters of a replay: %d, %v", len(list), err)
	}
	began = time.Now()
	resolved, limit := 0, n/5 // a fifth is enough, all would take longer
	must(t, "resolve dead letters", s.OpenDeadLetters(ctx, inbox.DeadLetterFilter{Filter: inbox.Filter{Limit: limit}}, func(page []inbox.DeadLetterDetail) error {
		refs := make([]inbox.DeadLetter, 0, len(page))
		for i := range page {
			measure()
			refs = append(refs, page[i].DeadLetter)
		}
		failed, err := s.ResolveDead(ctx, operator, []inbox.Resolution{inbox.Retried, inbox.Discarded}[resolved/len(page)%2], refs)
		for _, why := range failed {
			must(t, "resolve a dead letter", why)
		}
		resolved += len(page)
		return err
	}))
	t.Logf("%d dead letters resolved in %s", resolved, time.Since(began))
	if list, err = s.DeadLetters(ctx, inbox.DeadLetterFilter{Filter: inbox.Filter{Before: int64(limit) + 2}}); err != nil || len(list) != 1 || resolved != limit {
		t.Errorf("%d were resolved, %d of them are open, %v", resolved, len(list)-1, err)
	}
	if peak > 32<<20 {
		t.Errorf("the dead letters took %d MiB of memory", peak>>20)
	}
	for query, plan := range r.Plans(t) {
		for _, step := range plan {
			if strings.Contains(query, "FROM dead d INDEXED BY") && strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%s in %s", step, query)
			}
		}
	}
}

func TestThousandsOfValuesInAFilterAreAcceptedAndTooManyAreRejected(t *testing.T) {
	n := long(4000, 4000, 20_000)
	s := manyDead(t, n)
	seqs := make([]int64, 0, n)
	for i := n; i > 0; i-- {
		seqs = append(seqs, int64(i))
	}
	names := func(form string, n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf(form, i))
		}
		return list
	}
	pointers := func(n int) (list []inbox.Condition) {
		for _, p := range names("/data/%d", n) {
			list = append(list, inbox.Condition{Pointer: p, Values: []string{"1"}})
		}
		return list
	}
	for name, c := range map[string]struct {
		f    inbox.Filter
		want int // -1: rejected
	}{
		"seqs":           {inbox.Filter{Seqs: seqs}, n},
		"newest seqs":    {inbox.Filter{Seqs: seqs, Newest: true}, n},
		"a limit":        {inbox.Filter{Seqs: seqs, Newest: true, Limit: 1500}, 1500},
		"names":          {inbox.Filter{Events: append(names("no%d", 5000), "workflow")}, n},
		"some patterns":  {inbox.Filter{EventTypes: append(names("no%d*", 99), "x*")}, n},
		"many patterns":  {inbox.Filter{EventTypes: names("no%d*", 101)}, -1},
		"sources":        {inbox.Filter{Sources: names("s%d", 40_000)}, 0},
		"statuses":       {inbox.Filter{Statuses: names("s%d", 3000), Limit: 5, Seqs: seqs[:500]}, 0},
		"values":         {inbox.Filter{Where: []inbox.Condition{{Pointer: "/data/id", Values: names("%d", 3000)}}, Seqs: seqs[:500]}, 0},
		"many pointers":  {inbox.Filter{Where: pointers(101)}, -1},
		"pointers":       {inbox.Filter{Where: pointers(100), Seqs: seqs[:500]}, 0},
		"all of a chunk": {inbox.Filter{Seqs: seqs[:500]}, 500},
		"two chunks":     {inbox.Filter{Seqs: seqs[:501]}, 501},
	} {
		list, err := s.Find(ctx, c.f)
		if rejected := inbox.KindOf(err) == inbox.Invalid && inbox.HintOf(err) != ""; err != nil && c.want < 0 && rejected {
			continue
		}
		if err != nil || len(list) != c.want {
			t.Errorf("%s: %d events, want %d, %v", name, len(list), c.want, err)
		}
		for i := range list {
			if i > 0 && (list[i].Seq > list[i-1].Seq) == c.f.Newest {
				t.Fatalf("%s: %d after %d", name, list[i].Seq, list[i-1].Seq)
			}
		}
	}
	job := &inbox.Replay{Plugins: []string{"p"}, Filter: inbox.Filter{Seqs: seqs}}
	must(t, "replay", s.CreateReplay(ctx, operator, job))
	found := 0
	for after := int64(0); after < job.Upto; {
		events, upto, err := s.Match(ctx, job, "p", after, 256)
		if err != nil || upto <= after {
			t.Fatal(after, upto, err)
		}
		found, after = found+len(events), upto
	}
	if found != n || job.Matched != int64(n) {
		t.Errorf("a replay of %d seqs found %d events and counted %d", n, found, job.Matched)
	}
}
