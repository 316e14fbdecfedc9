package dispatch_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

func TestAFilterOnBodiesSeesEveryBodyOfABacklog(t *testing.T) {
	t.Parallel()
	r := newFixture(t, inbox.Manifest{Where: []inbox.Condition{{Pointer: "/data/step", Values: []string{"1"}}}}, nil)
	r.stop()
	const n = 700 // pages, and calls within one: bodies of up to 20 KB
	for i := range n {
		inboxtest.Accept(t, r.store, fmt.Sprintf(`{"event":"workflow","data":{"id":%d,"n":%d,"step":%d,"text":"%s"}}`, i%11, i, i%3, strings.Repeat("x", i%7*3000)))
	}
	r.start("r1")
	r.settled()
	r.inOrder()
	ran := map[int64]bool{}
	for _, m := range r.attempts() {
		ran[m.seq] = true
	}
	for seq := int64(1); seq <= n; seq++ {
		if wanted := (seq-1)%3 == 1; ran[seq] != wanted {
			t.Errorf("event %d ran: %v", seq, ran[seq])
		}
	}
}

// BenchmarkABacklogFilteredByBodies has a dispatcher pass a backlog of which its plugin wants nothing, as each body says.
func BenchmarkABacklogFilteredByBodies(b *testing.B) {
	const n = 4096 // as many as a cursor moves over before it is stored
	for _, size := range []int{1 << 10, 32 << 10} {
		dir := b.TempDir()
		func() {
			s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true, MinFree: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			defer inboxtest.Run(b, s)()
			var senders sync.WaitGroup
			for k := range 32 {
				senders.Go(func() {
					for i := k; i < n; i += 32 {
						inboxtest.Accept(b, s, fmt.Sprintf(`{"event":"workflow","data":{"id":%d,"text":"%s"}}`, i, strings.Repeat("x", size)))
					}
				})
			}
			senders.Wait()
		}()
		b.Run(fmt.Sprintf("%d KiB", size>>10), func(b *testing.B) {
			m := inbox.Manifest{Where: []inbox.Condition{{Pointer: "/data/none", Values: []string{"1"}}}}
			m.StartFrom.Start = true
			live := &dispatch.Live{Release: "r1", Manifest: m.WithDefaults(4), Run: func(context.Context, *inbox.Work) inbox.Outcome {
				return inbox.Outcome{Result: inbox.OK}
			}}
			for i := range b.N {
				b.StopTimer()
				s, err := store.Open(ctx, store.Options{Dir: dir, Server: true, MinFree: 1}) // with nothing in memory
				if err != nil {
					b.Fatal(err)
				}
				stop := inboxtest.Run(b, s)
				name := fmt.Sprint("p", b.N, "-", i)
				if err := s.Register(ctx, name, m.StartFrom); err != nil {
					b.Fatal(err)
				}
				d := dispatch.New(dispatch.Options{Store: s})
				end := running(b, d)
				b.StartTimer()
				d.SetLive(name, live)
				inboxtest.Eventually(b, "the backlog is passed", func() bool {
					r, err := s.Record(ctx, name)
					return err == nil && r.Cursor == n
				})
				b.StopTimer()
				end()
				stop()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
