package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// reopened stores bodies and opens the store again, so that none of them is in the cache.
func reopened(t testing.TB, bodies ...string) *store.Store {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	stop := inboxtest.Run(t, s)
	for _, body := range bodies {
		inboxtest.Accept(t, s, body)
	}
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return inboxtest.Store(t, store.Options{Dir: dir})
}

// every reads the payloads of all seqs, and returns them with the number of calls that it made.
func every(t testing.TB, s *store.Store, seqs []int64) (list []inbox.PayloadOf, calls int) {
	t.Helper()
	for len(seqs) > 0 {
		some, err := s.Payloads(ctx, seqs)
		if err != nil || len(some) == 0 {
			t.Fatalf("%d payloads, %v", len(some), err)
		}
		list, seqs = append(list, some...), seqs[len(some):]
		calls++
	}
	return list, calls
}

func seqsOf(n int) []int64 {
	seqs := make([]int64, n)
	for i := range seqs {
		seqs[i] = int64(i + 1)
	}
	return seqs
}

func TestPayloadsReturnsTheGivenOrderUpToALimitOfCountAndBytes(t *testing.T) {
	t.Parallel()
	var bodies []string
	for i := range 2*store.MaxPayloads + 10 {
		bodies = append(bodies, inboxtest.Body(i, i))
	}
	for i := range 3 { // together more than the limit of a call; the last alone exceeds it
		bodies = append(bodies, fmt.Sprintf(`{"event":"workflow","data":{"id":"large-%d","photo":"%s"}}`, i, strings.Repeat("x", 600<<10*(i+1))))
	}
	s := reopened(t, bodies...)
	for _, source := range []string{"from the disk", "partly from memory"} {
		list, calls := every(t, s, seqsOf(len(bodies)))
		if len(list) != len(bodies) || calls < 4 {
			t.Fatalf("%s: %d payloads by %d calls", source, len(list), calls)
		}
		for i, p := range list {
			if p.Seq != int64(i+1) || p.Err != nil || string(p.Payload.Body) != bodies[i] {
				t.Fatalf("%s: result %d is of event %d, %v", source, i, p.Seq, p.Err)
			}
		}
	}
	list, err := s.Payloads(ctx, []int64{7, 3, 7})
	if err != nil || len(list) != 3 || list[0].Seq != 7 || list[1].Seq != 3 || string(list[2].Payload.Body) != bodies[6] {
		t.Errorf("in any order, and twice: %+v, %v", list, err)
	}
	if list, err := s.Payloads(ctx, nil); err != nil || len(list) != 0 {
		t.Errorf("of no seqs: %+v, %v", list, err)
	}
}

func TestPurgedOrDamagedPayloadsDoNotFailTheOthers(t *testing.T) {
	t.Parallel()
	s := reopened(t, "one", "two", "three", "four")
	for _, statement := range []string{
		`UPDATE events SET content_id = NULL WHERE seq = 2`,
		`UPDATE contents SET bytes = x'00' WHERE id = (SELECT content_id FROM events WHERE seq = 3)`,
	} {
		if err := store.Write(s, statement); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.Payloads(ctx, []int64{1, 2, 3, 4, 5})
	if err != nil || len(list) != 5 {
		t.Fatalf("%+v, %v", list, err)
	}
	for i, want := range map[int]inbox.Kind{1: inbox.NotFound, 2: inbox.Internal, 4: inbox.NotFound} {
		_, single := s.Payload(ctx, list[i].Seq)
		if got := list[i].Err; inbox.KindOf(got) != want || got.Error() != single.Error() {
			t.Errorf("event %d: %v, but Payload returns %v", list[i].Seq, got, single)
		}
	}
	if !errors.Is(list[2].Err, store.ErrDamaged) {
		t.Errorf("the damaged one: %v", list[2].Err)
	}
	for i, want := range map[int]string{0: "one", 3: "four"} {
		if list[i].Err != nil || string(list[i].Payload.Body) != want {
			t.Errorf("event %d: %q, %v", list[i].Seq, list[i].Payload.Body, list[i].Err)
		}
	}
	// The check at the end of the test must not find the damage.
	if err := store.Write(s, `DELETE FROM events`); err != nil {
		t.Fatal(err)
	}
	if err := store.Write(s, `DELETE FROM contents`); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkPayloads reads a page of payloads that are not in the cache, by one call each and by Payloads.
func BenchmarkPayloads(b *testing.B) {
	const page = 256
	for _, size := range []int{2 << 10, 64 << 10} {
		dir := b.TempDir()
		func() {
			s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true, MinFree: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			defer inboxtest.Run(b, s)()
			for i := range page {
				inboxtest.Accept(b, s, fmt.Sprintf(`{"event":"workflow","data":{"id":%d,"text":"%s"}}`, i, strings.Repeat("x", size)))
			}
		}()
		for how, read := range map[string]func(s *store.Store){
			"one by one": func(s *store.Store) {
				for seq := range int64(page) {
					if _, err := s.Payload(ctx, seq+1); err != nil {
						b.Fatal(err)
					}
				}
			},
			"at once": func(s *store.Store) { every(b, s, seqsOf(page)) },
		} {
			b.Run(fmt.Sprintf("%d KiB/%s", size>>10, how), func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					s, err := store.Open(ctx, store.Options{Dir: dir, MinFree: 1}) // with an empty cache
					if err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					read(s)
					b.StopTimer()
					if err := s.Close(); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*page), "us/payload")
			})
		}
	}
}
