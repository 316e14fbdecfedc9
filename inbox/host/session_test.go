package host_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/inbox/inboxtest"
)

// Calls of inbox_v1 by a guest that imports its functions in this order.
var (
	sessionImports = [][]byte{imported("inbox_v1", "next", 0, 2), imported("inbox_v1", "done", 0, 2)}
	callNext       = slices.Concat(i32(0, 4096), []byte{0x10, 0, 0x1a})
	callDone       = slices.Concat(i32(0, 0), []byte{0x10, 1, 0x1a})
	forEver        = []byte{0x03, 0x40, 0x0c, 0, 0x0b}
)

// session is a guest that asks for one event, runs code, and returns ok.
func session(before, during, after []byte) []byte {
	return guest{
		imports: sessionImports, locals: []byte{1, 1, 0x7f},
		code: slices.Concat(before, callNext, during, callDone, after),
	}.wasm()
}

// under is a context that reports when somebody waits for its end. The host waits once a guest has its event.
type under struct {
	context.Context
	once *sync.Once
	way  chan struct{}
}

func underWay(ctx context.Context) under { return under{ctx, new(sync.Once), make(chan struct{})} }

func (u under) Done() <-chan struct{} {
	u.once.Do(func() { close(u.way) })
	return u.Context.Done()
}

func TestAProgramThatIsClosedLetsItsAttemptsEnd(t *testing.T) {
	onEachEngine(t, testAProgramThatIsClosedLetsItsAttemptsEnd)
}

func testAProgramThatIsClosedLetsItsAttemptsEnd(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	for kind, wasm := range map[string][]byte{
		host.Session: session(nil, spin(1_000_000), nil),
		host.Command: guest{locals: []byte{1, 1, 0x7f}, code: spin(1_000_000)}.wasm(),
	} {
		m := limitsOn(engine)
		m.Limits.Time = 20 * time.Second
		p, err := h.Compile(context.Background(), wasm, m)
		if err != nil {
			t.Fatal(err)
		}
		ctx := underWay(context.Background())
		ended := make(chan inbox.Outcome, 1)
		go func() { ended <- p.Run(ctx, call()) }()
		<-ctx.way
		p.Close(context.Background())
		if out := <-ended; out.Result != inbox.OK || out.Interrupted {
			t.Errorf("%s: %+v", kind, out)
		}
		if out := p.Run(context.Background(), call()); !out.Interrupted {
			t.Errorf("%s: it ran after it was closed: %+v", kind, out)
		}
	}
}

func TestASessionThatRunsOnAfterItsResultIsEndedAndTheResultCounts(t *testing.T) {
	onEachEngine(t, testASessionThatRunsOnAfterItsResultIsEndedAndTheResultCounts)
}

func testASessionThatRunsOnAfterItsResultIsEndedAndTheResultCounts(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	m := limitsOn(engine)
	m.Limits.Time = time.Hour // the test would time out first
	p, err := h.Compile(context.Background(), session(nil, nil, forEver), m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	if out := p.Run(context.Background(), call()); out.Result != inbox.OK {
		t.Errorf("%+v", out)
	}
}

func TestASessionThatDoesNotStartFailsTheReleaseNotTheEvent(t *testing.T) {
	onEachEngine(t, testASessionThatDoesNotStartFailsTheReleaseNotTheEvent)
}

func testASessionThatDoesNotStartFailsTheReleaseNotTheEvent(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	for name, c := range map[string]struct {
		before []byte
		budget time.Duration
		says   string
	}{
		"it loops": {forEver, 300 * time.Millisecond, "time of 300ms"},
		"it traps": {[]byte{0x00}, time.Minute, "unreachable"},
	} {
		host.SetStartBudget(h, c.budget)
		_, err := h.Compile(context.Background(), session(c.before, nil, nil), limitsOn(engine))
		if err == nil || !strings.Contains(err.Error(), c.says) || inbox.KindOf(err) != inbox.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	host.SetStartBudget(h, time.Minute)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.Compile(ctx, session(forEver, nil, nil), limitsOn(engine)); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("a trial that we stop is no fault of the module: %v", err)
	}
}

// A session that started once and then does not start is told apart from a session that fails its event.
func TestASessionThatFailsBeforeItsEventReportsAFailureAtStart(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	p, err := h.Compile(context.Background(), session(spin(200_000_000), nil, nil), limits())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	host.SetStartBudget(h, time.Millisecond)                                // it takes some hundred milliseconds
	if out := p.Run(context.Background(), call()); out.Result != inbox.OK { // by the session that the trial started
		t.Errorf("%+v", out)
	}
	if out := p.Run(context.Background(), call()); out.Result != inbox.Timeout || !out.AtStart {
		t.Errorf("%+v", out)
	}
	failing, err := newHost(t).Compile(context.Background(), session(nil, []byte{0x00}, nil), limits())
	if err != nil {
		t.Fatal(err)
	}
	defer failing.Close(context.Background())
	if out := failing.Run(context.Background(), call()); out.Result.Settled() || out.AtStart {
		t.Errorf("an event that fails: %+v", out)
	}
}

// A start may take longer than the time limit of an event.
func TestTheTimeLimitRunsFromTheEventToItsResult(t *testing.T) {
	inboxtest.Long(t)
	onEachEngine(t, testTheTimeLimitRunsFromTheEventToItsResult)
}

func testTheTimeLimitRunsFromTheEventToItsResult(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	m := limitsOn(engine)
	m.Limits.Time = 500 * time.Millisecond
	long := int64(3_000_000)
	if engine == inbox.Interpreter {
		long /= 100
	}
	p, err := h.Compile(context.Background(), session(spin(long), nil, nil), m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	for range 2 {
		if out := p.Run(context.Background(), call()); out.Result != inbox.OK || out.Duration > m.Limits.Time {
			t.Errorf("%+v", out)
		}
	}
}

func TestACommandMayAskForTooMuchMemoryAndStillReturnAResult(t *testing.T) {
	onEachEngine(t, testACommandMayAskForTooMuchMemoryAndStillReturnAResult)
}

func testACommandMayAskForTooMuchMemoryAndStillReturnAResult(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	exit := imported("wasi_snapshot_preview1", "proc_exit", 0, 1)
	for code, want := range map[int64]inbox.Result{0: inbox.OK, 75: inbox.Retry, 65: inbox.Reject, 2: inbox.Memory} {
		g := guest{imports: [][]byte{exit}, code: slices.Concat(i32(1<<15), []byte{0x40, 0, 0x1a}, i32(code), []byte{0x10, 0})}
		p, err := h.Compile(context.Background(), g.wasm(), limitsOn(engine))
		if err != nil {
			t.Fatal(err)
		}
		if out := p.Run(context.Background(), call()); out.Result != want {
			t.Errorf("exit code %d: %s (%s)", code, out.Result, out.Reason)
		}
		p.Close(context.Background())
	}
}

func TestAHostThatIsClosedCompilesNothing(t *testing.T) {
	onEachEngine(t, testAHostThatIsClosedCompilesNothing)
}

func testAHostThatIsClosedCompilesNothing(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h, err := host.New(context.Background(), host.Options{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if _, err := h.Compile(context.Background(), guest{}.wasm(), limitsOn(engine)); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("%v", err)
	}
}

// Closing must not wait for a compilation, which cannot be stopped, and must not close the runtime under it. Chance decides
// which comes first; both orders are correct.
func TestAHostMayBeClosedWhileItCompiles(t *testing.T) {
	onEachEngine(t, testAHostMayBeClosedWhileItCompiles)
}

func testAHostMayBeClosedWhileItCompiles(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	slow := guest{code: slices.Repeat([]byte{0x02, 0x40, 0x41, 0, 0x0d, 0, 0x0b}, 1500)}.wasm()
	for range 4 {
		h, err := host.New(context.Background(), host.Options{})
		if err != nil {
			t.Fatal(err)
		}
		began, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			close(began)
			p, err := h.Compile(context.Background(), slow, limitsOn(engine))
			if err == nil {
				p.Close(context.Background())
			}
			ended <- err
		}()
		<-began
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
		err = <-ended
		if engine == inbox.Interpreter && err == nil {
			continue // a short compilation, finished before
		}
		if inbox.KindOf(err) != inbox.Unavailable {
			t.Errorf("%v", err)
		}
	}
}

// A session whose time ends at the moment when it asks for its first or next event is not kept.
func TestASessionThatAsksInTheLastMomentFailsToStartAndInterruptsNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	wasm := fixture(t, "session_ok")
	came := map[inbox.Result]int{}
	n := 300
	if inboxtest.LongRun() {
		n = 3000
	}
	for i := range n {
		host.SetStartBudget(h, time.Duration(1+i%100)*2*time.Microsecond)
		p, err := h.Compile(context.Background(), wasm, limits())
		if err != nil {
			came[inboxtest.Refused]++
			continue
		}
		out := p.Run(context.Background(), call())
		if out.Interrupted {
			t.Fatalf("budget %d: %+v", i%100, out)
		}
		came[out.Result]++
		p.Close(context.Background())
	}
	t.Logf("%v", came) // with some of each, the moment was hit
}
