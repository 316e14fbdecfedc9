package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

func anAcceptedEventIsReturnedByteForByte(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{})
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

func theSameBodyIsStoredOnce(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{})
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
		t.Errorf("a source without deduplication: %+v, %v", r, err)
	}
}

func concurrentEventsAreStoredOnceInOneOrder(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{})
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

func lateEventsAndLikelyDuplicatesAreMarked(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{})
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
	// Events of another mode are not compared.
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

func aLikelyDuplicateIsSearchedAmongTheNewest32EventsOfAKey(t *testing.T, open Open) {
	ctx := t.Context()
	for between, want := range map[int]bool{31: true, 32: false} {
		s := open(t, Options{})
		body := func(status string, n int) string {
			return fmt.Sprintf(`{"event":"address","event_type":"verification_completed","data":{"id":9,"status":{"status":%q},"n":%d}}`, status, n)
		}
		inboxtest.Accept(t, s, body("VERIFIED", 0))
		for i := range between {
			inboxtest.Accept(t, s, body(fmt.Sprint("other ", i), 0))
		}
		e, err := s.Event(ctx, inboxtest.Accept(t, s, body("VERIFIED", 1)).Seq)
		if err != nil || e.DuplicateHint != want {
			t.Errorf("with %d others between: duplicate %v, %v", between, e.DuplicateHint, err)
		}
	}
}
