package store_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

var ctx = context.Background()

func TestAnAcceptedEventComesBackByteForByte(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	for i, body := range []string{
		`{"event":"address","event_type":"verification_completed","data":{"id":1}}`, "not json", "\xef\xbb\xbf{}x", "\xff\xfe\x00", strings.Repeat("x", 3<<20),
	} {
		r := inboxtest.Accept(t, s, body)
		if r.Seq != int64(i+1) || r.Status != inbox.Stored {
			t.Fatalf("receipt %+v", r)
		}
		p, err := s.Payload(ctx, r.Seq)
		if err != nil || !bytes.Equal(p.Body, []byte(body)) || len(p.Headers) != 1 {
			t.Errorf("seq %d: %d bytes, %d headers, %v", r.Seq, len(p.Body), len(p.Headers), err)
		}
		e, err := s.EventByID(ctx, r.ID)
		if err != nil || e.Seq != r.Seq || e.Size != len(body) {
			t.Errorf("by id: %+v, %v", e, err)
		}
	}
}

func TestTheSameBodyIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	first := inboxtest.Accept(t, s, "a")
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if r := inboxtest.Accept(t, s, "a"); r.Status != inbox.Duplicate || r.Seq != first.Seq || r.ID != first.ID {
				t.Errorf("receipt %+v", r)
			}
		})
	}
	wg.Wait()
	tr, err := s.Trace(ctx, first.Seq)
	if err != nil || tr.Copies.Count != 40 || tr.Copies.LastAt.IsZero() {
		t.Errorf("copies %+v, %v", tr, err)
	}
	other := inboxtest.Arrival("a")
	other.Source = "other"
	if r, err := s.Accept(ctx, other); err != nil || r.Status != inbox.Stored {
		t.Errorf("the same body of another source: %+v, %v", r, err)
	}
	again := inboxtest.Arrival("a")
	again.NoDedup = true
	if r, err := s.Accept(ctx, again); err != nil || r.Status != inbox.Stored {
		t.Errorf("a source that repeats itself: %+v, %v", r, err)
	}
}

func TestManyAtOnceAreStoredOnceEachAndInOneOrder(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	var mu sync.Mutex
	seqs := map[int64]string{}
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 50 {
				body := inboxtest.Body(i, w)
				r := inboxtest.Accept(t, s, body)
				mu.Lock()
				seqs[r.Seq] = body
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	events, err := s.EventsAfter(ctx, 0, 10000)
	if err != nil || len(events) != 800 || len(seqs) != 800 {
		t.Fatalf("%d events, %d seqs, %v", len(events), len(seqs), err)
	}
	for _, e := range events {
		if p, err := s.Payload(ctx, e.Seq); err != nil || string(p.Body) != seqs[e.Seq] {
			t.Errorf("seq %d: %q, %v", e.Seq, p.Body, err)
		}
	}
}

func TestDuplicatesAreKnownAcrossRestartsAndSealedRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const n = 400
	open := func() (*store.Store, func()) {
		s, err := store.Open(ctx, store.SmallRuns(store.Options{Dir: dir, Create: true, Server: true, MinFree: 1}, 16))
		if err != nil {
			t.Fatal(err)
		}
		stop := inboxtest.Run(t, s)
		return s, func() {
			stop()
			inboxtest.Check(t, s)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for round := range 3 {
		s, done := open()
		for i := range n {
			r := inboxtest.Accept(t, s, inboxtest.Body(i, 0))
			want := inbox.Stored
			if round > 0 {
				want = inbox.Duplicate
			}
			if r.Status != want || r.Seq != int64(i+1) {
				t.Fatalf("round %d, body %d: %+v", round, i, r)
			}
		}
		inboxtest.Eventually(t, "the digests are sealed", func() bool {
			recent, runs := store.Digests(s)
			return recent < 2*16+1 && runs > 0 && runs < 16
		})
		done()
	}
}

func TestLateEventsAndLikelyDuplicatesAreMarked(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	body := func(typ, status, more string) string {
		return fmt.Sprintf(`{"event":"address","event_type":%q,"data":{"id":9,"status":{"status":%q},"x":%q}}`, typ, status, more)
	}
	for i, c := range []struct {
		body      string
		late, dup bool
	}{
		{body("verification_completed", "VERIFIED", "1"), false, false},
		{body("verification_started", "IN PROGRESS", "2"), true, false},
		{body("verification_completed", "verified", "3"), false, true},
		{`{"event":"address","event_type":"verification_started","data":{"id":10}}`, false, false},
	} {
		r := inboxtest.Accept(t, s, c.body)
		e, err := s.Event(ctx, r.Seq)
		if err != nil || e.Late != c.late || e.DuplicateHint != c.dup {
			t.Errorf("%d: late %v, duplicate %v, %v", i, e.Late, e.DuplicateHint, err)
		}
	}
	// test events never meet live ones
	a := inboxtest.Arrival(body("verification_started", "", "4"))
	a.Mode = inbox.Test
	r, err := s.Accept(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	if e, _ := s.Event(ctx, r.Seq); e.Late {
		t.Error("a test event is late for a live one")
	}
}

func TestADamagedPayloadIsNoticed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	stop := inboxtest.Run(t, s)
	mark := "here-is-the-payload-that-will-be-damaged"
	r := inboxtest.Accept(t, s, mark)
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "inbox.db")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(raw, []byte(mark))
	if at < 0 {
		t.Fatal("the payload is not in the file")
	}
	raw[at] ^= 1
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(ctx, store.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Payload(ctx, r.Seq); inbox.KindOf(err) != inbox.Internal || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("reading it: %v", err)
	}
	problems, err := s.Check(ctx, nil)
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0], "damaged") {
		t.Errorf("the check finds %q, %v", problems, err)
	}
}

func TestWhatCannotBeOpenedSaysWhy(t *testing.T) {
	t.Parallel()
	make := func(t *testing.T) string {
		dir := t.TempDir()
		s, err := store.Open(ctx, store.Options{Dir: dir, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		kind  inbox.Kind
		says  string
	}{
		"no store": {func(t *testing.T, dir string) { os.RemoveAll(dir) }, inbox.NotFound, "no store at"},
		"no key":   {func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "store.key")) }, inbox.Invalid, "key"},
		"another key": {func(t *testing.T, dir string) {
			os.WriteFile(filepath.Join(dir, "store.key"), bytes.Repeat([]byte{1}, 32), 0o600)
		}, inbox.Invalid, "not the key"},
		"a short key":    {func(t *testing.T, dir string) { os.WriteFile(filepath.Join(dir, "store.key"), []byte("x"), 0o600) }, inbox.Invalid, "1 bytes"},
		"a newer file":   {func(t *testing.T, dir string) { store.Exec(t, dir, "PRAGMA user_version = 99") }, inbox.Invalid, "needs inbox 0.1.0 or later"},
		"another's file": {func(t *testing.T, dir string) { store.Exec(t, dir, "PRAGMA application_id = 7") }, inbox.Invalid, "not of inbox"},
		"not a database": {func(t *testing.T, dir string) {
			os.WriteFile(filepath.Join(dir, "inbox.db"), bytes.Repeat([]byte("garbage "), 1000), 0o600)
		}, inbox.Invalid, "inbox.db"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := make(t)
			c.spoil(t, dir)
			s, err := store.Open(ctx, store.Options{Dir: dir})
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if inbox.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || inbox.HintOf(err) == "" {
				t.Errorf("%s: %v (%s)", inbox.KindOf(err), err, inbox.HintOf(err))
			}
		})
	}
}

func TestASecondServerIsToldWhoHoldsTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := store.WaitLock(ctx, dir, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Announce(dir, store.Holding{PID: os.Getpid(), Socket: "/x.sock"}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.WaitLock(ctx, dir, time.Second); inbox.KindOf(err) != inbox.Conflict || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("the second server: %v", err)
	}
	if h, ok := store.Holder(dir); !ok || h.Socket != "/x.sock" {
		t.Errorf("holder %+v, %v", h, ok)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if _, ok := store.Holder(dir); ok {
		t.Error("a released lock has a holder")
	}
}

func TestABackupIsAWholeStore(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	for i := range 20 {
		inboxtest.Accept(t, s, inboxtest.Body(i, 0))
	}
	dir := t.TempDir()
	copyPath := filepath.Join(dir, "inbox.db")
	if err := s.Backup(ctx, store.Actor{Name: "test"}, copyPath); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(ctx, store.Actor{Name: "test"}, copyPath); inbox.KindOf(err) != inbox.Conflict {
		t.Errorf("over a file that exists: %v", err)
	}
	if err := os.Rename(copyPath+".key", filepath.Join(dir, "store.key")); err != nil {
		t.Fatal(err)
	}
	c := inboxtest.Store(t, store.Options{Dir: dir})
	if r := inboxtest.Accept(t, c, inboxtest.Body(7, 0)); r.Status != inbox.Duplicate || r.Seq != 8 {
		t.Errorf("the copy does not know its events: %+v", r)
	}
}

func TestTheQuarantineIsBoundedAndKeepsWhatAMistypedSecretRefused(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{Bounds: store.QuarantineBounds{Count: 10, Bytes: 1 << 20, Age: time.Hour, PerAddress: 6}})
	refuse := func(n int, address, why string) {
		r := &inbox.Refused{Source: "q", Address: address, Why: why, ReceivedAt: time.Now(), Payload: inbox.Payload{Body: []byte(fmt.Sprint(address, why, n))}}
		if err := s.Refuse(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		refuse(i, "10.0.0.1", "mismatch")
	}
	for i := range 50 {
		refuse(i, "10.0.0.2", "malformed")
	}
	refuse(1, "10.0.0.1", "mismatch") // once more
	var kept []string
	if err := s.EachRefused(ctx, "", func(r *inbox.Refused) error {
		kept = append(kept, r.Why)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(strings.Join(kept, " "), "mismatch"); n != 5 || len(kept) > 10 {
		t.Errorf("kept %v", kept)
	}
	st, err := s.Stats(ctx)
	if err != nil || st.Quarantine.Dropped == 0 || st.Quarantine.Count != int64(len(kept)) {
		t.Errorf("stats %+v, %v", st.Quarantine, err)
	}
	list, err := s.RefusedList(ctx, "q", 100)
	if err != nil || len(list) != len(kept) {
		t.Fatalf("%d listed, %v", len(list), err)
	}
	a := inboxtest.Arrival("admitted now")
	a.Origin = inbox.FromRecheck
	if r, err := s.Readmit(ctx, list[0].ID, a); err != nil || r.Status != inbox.Stored {
		t.Errorf("readmit: %+v, %v", r, err)
	}
	if _, err := s.Readmit(ctx, list[0].ID, a); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("readmit twice: %v", err)
	}
}

func TestFindSelectsByEveryFilter(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	s := inboxtest.Store(t, store.Options{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }})
	for i := range 30 {
		mu.Lock()
		clock = clock.Add(time.Hour)
		mu.Unlock()
		event := []string{"address", "workflow", "identity"}[i%3]
		inboxtest.Accept(t, s, fmt.Sprintf(`{"event":%q,"event_type":"verification_completed","data":{"id":%d,"customerReference":"r%d","status":{"status":"VERIFIED","state":"COMPLETE"},"n":%d}}`, event, i/3, i%5, i))
	}
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		f    inbox.Filter
		want int
	}{
		"everything":     {inbox.Filter{}, 30},
		"an event":       {inbox.Filter{Events: []string{"workflow"}}, 10},
		"two events":     {inbox.Filter{Events: []string{"work*", "identity"}}, 20},
		"a type":         {inbox.Filter{EventTypes: []string{"step_*"}}, 0},
		"a key":          {inbox.Filter{Key: "qoreid/address/3"}, 1},
		"a reference":    {inbox.Filter{CustomerReference: "r2"}, 6},
		"a mode":         {inbox.Filter{Mode: inbox.Test}, 0},
		"a verdict":      {inbox.Filter{Statuses: []string{"passed"}}, 30},
		"a status":       {inbox.Filter{Statuses: []string{"verified"}}, 30},
		"another status": {inbox.Filter{Statuses: []string{"failed"}}, 0},
		"since":          {inbox.Filter{Since: start.Add(21 * time.Hour)}, 10},
		"until":          {inbox.Filter{Until: start.Add(11 * time.Hour)}, 10},
		"in the future":  {inbox.Filter{Since: start.Add(1000 * time.Hour)}, 0},
		"a value":        {inbox.Filter{Where: []inbox.Condition{{Pointer: "/data/n", Values: []string{"7", "8"}}}}, 2},
		"a limit":        {inbox.Filter{Limit: 4}, 4},
		"after":          {inbox.Filter{After: 25}, 5},
		"seqs":           {inbox.Filter{Seqs: []int64{3, 9, 99}}, 2},
	} {
		got, err := s.Find(ctx, c.f)
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %d events, want %d, %v", name, len(got), c.want, err)
		}
	}
	newest, err := s.Find(ctx, inbox.Filter{Newest: true, Limit: 2})
	if err != nil || len(newest) != 2 || newest[0].Seq != 30 || newest[1].Seq != 29 {
		t.Errorf("newest: %+v, %v", newest, err)
	}
	open, err := s.Entities(ctx, store.EntityFilter{Filter: inbox.Filter{Limit: 3}})
	if err != nil || len(open) != 3 || open[0].Key != "qoreid/identity/9" || open[0].Open {
		t.Errorf("entities: %+v, %v", open, err)
	}
}
