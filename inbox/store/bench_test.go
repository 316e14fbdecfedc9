package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// Compare these results with BenchmarkRawFsync of the same run. Absolute results mean nothing on a disk that answers flushes from
// its cache.

// BenchmarkRawFsync overwrites 4 KiB and flushes, as one commit does.
func BenchmarkRawFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4120)
	for range b.N {
		if _, err := f.WriteAt(page, 0); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "flushes/s")
}

// BenchmarkAccept accepts bodies of about 1 KiB from several concurrent producers.
func BenchmarkAccept(b *testing.B) {
	for _, producers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("%d", producers), func(b *testing.B) {
			s := inboxtest.Store(b, store.Options{})
			arrivals := make([]*inbox.Arrival, b.N)
			pad := strings.Repeat("x", 880)
			for i := range arrivals {
				arrivals[i] = inboxtest.Arrival(fmt.Sprintf(`{"event":"workflow","event_type":"step_verification_completed","data":{"id":%d,"pad":%q}}`, i, pad))
			}
			waits := make([]time.Duration, b.N)
			b.ReportAllocs()
			b.ResetTimer()
			spread(producers, b.N, func(i int) {
				began := time.Now()
				if _, err := s.Accept(ctx, arrivals[i]); err != nil {
					b.Error(err)
				}
				waits[i] = time.Since(began)
			})
			b.StopTimer()
			report(b, waits)
			st, err := s.Stats(ctx)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(st.FileBytes+st.WALBytes)/float64(b.N), "B/event")
		})
	}
}

// BenchmarkSettle settles first runs as a dispatcher does: in one chain, with up to window settlements in flight.
func BenchmarkSettle(b *testing.B) {
	for _, window := range []int{1, 64} {
		b.Run(fmt.Sprintf("%d", window), func(b *testing.B) {
			s := inboxtest.Store(b, store.Options{})
			inboxtest.Fill(b, s, b.N)
			if err := s.Register(ctx, "p", inbox.StartFrom{Start: true}); err != nil {
				b.Fatal(err)
			}
			free := make(chan struct{}, window)
			chain := &inbox.Chain{}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				free <- struct{}{}
				st := inboxtest.Settled("p", int64(i+1))
				st.Term, st.Chain = s.Term(), chain
				if err := s.Settle(ctx, st, func(err error) {
					if err != nil {
						b.Error(err)
					}
					<-free
				}); err != nil {
					b.Fatal(err)
				}
			}
			for range window {
				free <- struct{}{}
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "settles/s")
		})
	}
}

// spread calls fn for 0 to n-1 from several goroutines.
func spread(goroutines, n int, fn func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				fn(i)
			}
		})
	}
	wg.Wait()
}

func report(b *testing.B, waits []time.Duration) {
	slices.Sort(waits)
	at := func(q float64) float64 { return float64(waits[int(q*float64(len(waits)-1))].Microseconds()) }
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(at(0.5), "p50-µs")
	b.ReportMetric(at(0.99), "p99-µs")
	b.ReportMetric(at(1), "max-µs")
}

// BenchmarkOpen opens and closes a server's store.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
