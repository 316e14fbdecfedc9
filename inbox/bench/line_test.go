package bench

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"inbox/inbox"
	"inbox/inbox/qoreid"
)

// These benchmarks measure allocations and time per event. testdata/baseline.txt has their last results. The times depend on the
// machine, the allocations only on the program.

// BenchmarkAccept sends signed webhooks through the handler into the store, 64 at a time, without a network.
func BenchmarkAccept(b *testing.B) {
	l := &lab{dir: b.TempDir()}
	r, err := l.newFixture(false)
	if err != nil {
		b.Fatal(err)
	}
	handler := newHandler(r)
	bodies := make([][]byte, b.N)
	signed := make([]string, b.N)
	for i := range bodies {
		bodies[i] = body(i, 0, bodySize)
		signed[i] = qoreid.Sign(qoreid.SHA512, []byte(secret), bodies[i])
	}
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < b.N; i = int(next.Add(1)) - 1 {
				req := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(bodies[i]))
				req.Header.Set(qoreid.DefaultHeader, signed[i])
				answer := httptest.NewRecorder()
				if handler.ServeHTTP(answer, req); answer.Code != http.StatusOK {
					b.Errorf("answered %d: %s", answer.Code, answer.Body)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	if err := r.close(); err != nil {
		b.Error(err)
	}
}

// BenchmarkDelivery delivers stored events of 10,000 keys to a guest that does nothing, until each is settled durably.
func BenchmarkDelivery(b *testing.B) {
	l := &lab{dir: b.TempDir()}
	g, err := l.guest(b.Context(), noop, inbox.ByKey)
	if err != nil {
		b.Fatal(err)
	}
	list, err := arrivals(b.N, 10_000, bodySize)
	if err != nil {
		b.Fatal(err)
	}
	r, err := l.filled(b.Context(), list)
	if err != nil {
		b.Fatal(err)
	}
	list = nil
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := g.deliver(b.Context(), r, b.N); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if err := r.close(); err != nil {
		b.Error(err)
	}
	if err := g.close(); err != nil {
		b.Error(err)
	}
}
