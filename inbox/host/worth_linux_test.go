package host_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/inbox/inboxtest"
	"inbox/inbox/wasm"
)

// mostWorth is the largest allowed ratio of the work that a guest and a plain loop get for the same fuel.
const mostWorth = 20

// threadTime returns the processor time of this thread, so that other work on the machine does not count.
func threadTime(t testing.TB) time.Duration {
	t.Helper()
	var at unix.Timespec // getrusage(2) is only as exact as the kernel's tick
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &at); err != nil {
		t.Fatal(err)
	}
	return time.Duration(at.Nano())
}

// plainLoop is a guest that counts forever.
func plainLoop() []byte {
	return guest{locals: []byte{1, 1, 0x7f}, code: []byte{0x03, 0x40, 0x20, 0, 0x41, 1, 0x6a, 0x21, 0, 0x0c, 0, 0x0b}}.wasm()
}

// rate returns the fuel that an endless guest spends per nanosecond of processor time, the highest of several runs. It is zero
// for a guest that does not use up its fuel, and for a session, which runs in another thread.
func rate(t testing.TB, h *host.Host, wasm []byte, engine inbox.Engine, enough float64) (best float64) {
	t.Helper()
	m := limitsOn(engine)
	m.Limits.Time, m.Limits.Fuel = 10*time.Minute, 10_000_000
	if engine == inbox.Interpreter {
		m.Limits.Fuel = 1_000_000
	}
	p, err := h.Compile(context.Background(), wasm, m)
	if err != nil {
		if inbox.KindOf(err) != inbox.Invalid {
			t.Fatal(err)
		}
		return 0
	}
	defer p.Close(context.Background())
	if p.Info().Kind != host.Command || !p.Info().Metered {
		return 0
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 8 { // another thread may have evicted the caches
		began := threadTime(t)
		out := p.Run(context.Background(), call())
		if out.Result != inbox.Fuel {
			return 0
		}
		if best = max(best, float64(out.Fuel)/float64(threadTime(t)-began)); best >= enough {
			break
		}
	}
	return best
}

// The slice, fuel limits and the time between two checks of a guest rest on this. Loads and stores that miss all caches are an
// exception, see docs/SANDBOX.md.
func TestNoGuestGetsMuchMoreForItsFuelThanAPlainLoop(t *testing.T) {
	inboxtest.Long(t)
	if inboxtest.Race {
		t.Skip("the race detector slows the interpreter, and not the guests")
	}
	h := newHost(t)
	for _, engine := range []inbox.Engine{inbox.Compiler, inbox.Interpreter} {
		plain := rate(t, h, plainLoop(), engine, 1e9)
		guests := endless(t)
		for seed := range uint64(24) {
			guests = append(guests, inboxtest.Guest{Name: fmt.Sprint("generated ", seed), Wasm: worthless(numbersOf(seed))})
		}
		guests = append(guests, inboxtest.Guest{Name: "calls of everywhere", Wasm: callsEverywhere()})
		worst, name, seen := 0.0, "", 0
		for _, g := range guests {
			r := rate(t, h, g.Wasm, engine, plain/mostWorth)
			if r == 0 {
				continue
			}
			seen++
			if plain/r > worst {
				worst, name = plain/r, g.Name
			}
			if plain/r > mostWorth {
				t.Errorf("%s, %s: it gets %.1f times as much for its fuel as a plain loop (%.0f fuel a millisecond, and %.0f)", g.Name, engine, plain/r, r*1e6, plain*1e6)
			}
		}
		t.Logf("%s: %d guests; a plain loop spends %.0f fuel a millisecond; %s gets %.1f times as much for it", engine, seen, plain*1e6, name, worst)
		if seen < 40 {
			t.Errorf("only %d guests were measured", seen)
		}
	}
}

// numbersOf returns the numbers from which a program is generated.
func numbersOf(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, 20+r.IntN(600))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// This searches for programs that get most for their fuel. INBOX_SEARCH=300 INBOX_LONG=1 go test -run SearchFor -v tries 300
// programs per engine, and changes the best ones further.
func TestSearchForProgramsThatGetMostForTheirFuel(t *testing.T) {
	inboxtest.Long(t)
	n, err := strconv.Atoi(os.Getenv("INBOX_SEARCH"))
	if err != nil {
		t.Skip("INBOX_SEARCH does not say how many programs to look at")
	}
	h := newHost(t)
	for _, engine := range []inbox.Engine{inbox.Compiler, inbox.Interpreter} {
		plain := rate(t, h, plainLoop(), engine, 1e9)
		r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
		worst, of := 0.0, []byte(nil)
		for i := range n {
			numbers := numbersOf(r.Uint64())
			if i > n/4 { // change the worst program so far
				numbers = append([]byte{}, of...)
				for range 1 + r.IntN(8) {
					numbers[r.IntN(len(numbers))] = byte(r.Uint32())
				}
			}
			got := rate(t, h, worthless(numbers), engine, plain/worst)
			if got > 0 && plain/got > worst {
				worst, of = plain/got, numbers
				t.Logf("%s, program %d: %.1f times a plain loop", engine, i, worst)
			}
		}
		t.Logf("%s: the worst of %d is %.1f times a plain loop: %x", engine, n, worst, of)
		if again := rate(t, h, worthless(of), engine, plain/mostWorth); worst > mostWorth && plain/again > mostWorth {
			t.Errorf("%s: a program gets %.1f times as much for its fuel as a plain loop: %x", engine, plain/again, of)
		}
	}
}

// The bounds of compiling rest on an estimate. Compiling must not take much longer than estimated.
func TestCompilingTakesNoLongerThanEstimated(t *testing.T) {
	inboxtest.Long(t)
	if inboxtest.Race {
		t.Skip("the race detector slows the compiler")
	}
	for name, file := range bombs() {
		estimate, _ := wasm.Effort(file)
		if estimate < 50*time.Millisecond {
			t.Errorf("%s: an estimate of %s shows nothing", name, estimate)
		}
		took := time.Duration(1 << 62)
		for try := 0; try < 3 && took > 4*estimate; try++ {
			took = min(took, compiling(t, file))
		}
		if t.Logf("%s: estimated %s, took %s", name, estimate, took); took > 4*estimate {
			t.Errorf("%s: estimated %s, took %s of the processor", name, estimate, took)
		}
	}
}

// compiling returns the processor time that a thread takes to compile a module.
func compiling(t testing.TB, wasm []byte) time.Duration {
	t.Helper()
	h := newHost(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadTime(t)
	p, err := h.Compile(context.Background(), wasm, limits())
	took := threadTime(t) - began
	if err != nil {
		t.Fatal(errors.Join(err, h.Close(context.Background())))
	}
	p.Close(context.Background())
	return took
}
