package host_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/inbox/inboxtest"
)

// footprint is the memory and other resources of the process.
type footprint struct {
	goroutines  int
	heap        int64 // bytes of reachable objects
	descriptors int   // this and the following on Linux only
	mappings    int
	resident    int64 // bytes
}

func (f footprint) String() string {
	return fmt.Sprintf("%d goroutines, %d B of heap, %d descriptors, %d mappings, %d MB resident", f.goroutines, f.heap, f.descriptors, f.mappings, f.resident>>20)
}

func holds(t *testing.T) footprint {
	t.Helper()
	runtime.GC()         // queues finalisers
	debug.FreeOSMemory() // frees their objects, and returns free memory to the system
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := footprint{goroutines: runtime.NumGoroutine(), heap: int64(m.HeapAlloc)}
	if runtime.GOOS != "linux" {
		return f
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	f.descriptors = len(open)
	f.mappings = strings.Count(string(read(t, "/proc/self/maps")), "\n")
	var size, pages int64
	if _, err := fmt.Sscan(string(read(t, "/proc/self/statm")), &size, &pages); err != nil {
		t.Fatal(err)
	}
	f.resident = pages * int64(os.Getpagesize())
	return f
}

// obedient is a session that takes events until there are no more, and traps at an event that begins with an exclamation mark.
func obedient() []byte {
	next := slices.Concat(i32(0, 4096), []byte{0x10, 0}, i32(0), []byte{0x48, 0x0d, 1}) // leave when there are no more
	trap := slices.Concat(i32(0), []byte{0x2d, 0, 0}, i32('!'), []byte{0x46, 0x04, 0x40, 0x00, 0x0b})
	return guest{imports: sessionImports, code: slices.Concat([]byte{0x03, 0x40}, next, trap, callDone, []byte{0x0c, 0, 0x0b})}.wasm()
}

// deliver makes n attempts, two at a time. Attempts whose number is a multiple of trapping must trap; the others must not.
func deliver(t *testing.T, p, trap *host.Program, n, trapping int) {
	t.Helper()
	var made atomic.Int64
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for i := int(made.Add(1)); i <= n; i = int(made.Add(1)) {
				c, one, want := call(), p, inbox.OK
				if i%trapping == 0 {
					c.Doc, one, want = []byte(`!`), trap, inbox.Trap
				}
				if out := one.Run(context.Background(), c); out.Result != want {
					t.Errorf("delivery %d: %s (%s), want %s", i, out.Result, out.Reason, want)
					return
				}
			}
		})
	}
	all.Wait()
}

// A hundred thousand deliveries of each kind leave nothing behind: the heap must not grow by ten bytes for each. An ordinary
// run, and the race detector, make fewer deliveries.
func TestManyDeliveriesLeakNothing(t *testing.T) {
	n := 100_000
	if !large || !inboxtest.LongRun() {
		n = 5000
	}
	before := runtime.NumGoroutine()
	h, err := host.New(context.Background(), host.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		name     string
		p, trap  []byte // the guest, and the guest that traps
		reuse    int
		trapping int // every how many deliveries one traps
	}{
		{"a fresh session each", obedient(), nil, 1, n + 1},
		{"fresh sessions of which every third traps", obedient(), nil, 1, 3},
		{"sessions of a hundred events of which every seventh traps", obedient(), nil, 100, 7},
		{"sessions of a hundred events", obedient(), nil, 100, n + 1},
		{"commands of which every third traps", fixture(t, "ok"), fixture(t, "trap"), 1, 3},
	} {
		t.Run(one.name, func(t *testing.T) {
			m := limits()
			m.Concurrency, m.Reuse, m.Limits.Time = 2, one.reuse, time.Minute
			compiled := func(wasm []byte) *host.Program {
				p, err := h.Compile(context.Background(), wasm, m)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { p.Close(context.Background()) })
				return p
			}
			p := compiled(one.p)
			trap := p
			if one.trap != nil {
				trap = compiled(one.trap)
			}
			deliver(t, p, trap, n/10, one.trapping)
			was := holds(t)
			deliver(t, p, trap, n, one.trapping)
			var is footprint
			// A session is started ahead after each delivery; that start may still be running.
			inboxtest.Eventually(t, "as few goroutines as before", func() bool {
				is = holds(t)
				return is.goroutines <= was.goroutines+2 // two idle sessions
			})
			t.Logf("before: %s; after %d deliveries: %s", was, n, is)
			if is.heap > was.heap+max(10*int64(n), 1<<20) || is.descriptors > was.descriptors || is.mappings > was.mappings+16 || (large && is.resident > was.resident+16<<20) {
				t.Errorf("it held %s, and after %d deliveries %s", was, n, is)
			}
		})
	}
	if err := h.Close(context.Background()); err != nil {
		t.Error(err)
	}
	inboxtest.Eventually(t, "all goroutines gone with the host", func() bool { return runtime.NumGoroutine() <= before })
}
