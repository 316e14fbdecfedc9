package dispatch_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"inbox/inbox"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// lines counts the lines of a log by their beginning.
type lines struct {
	slog.Handler
	fences, resets *atomic.Int32
}

func (lines) Enabled(context.Context, slog.Level) bool { return true }

func (h lines) Handle(_ context.Context, rec slog.Record) error {
	switch {
	case strings.HasPrefix(rec.Message, "a newer server has taken the plugin over"):
		h.fences.Add(1)
	case strings.Contains(rec.Message, "beginning again") || strings.Contains(rec.Message, "trying again"):
		h.resets.Add(1)
	}
	return nil
}

// A server that another one has taken over from must not deliver any more: of what it makes nothing would be recorded.
func TestADispatcherThatIsFencedStopsThePluginAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	for name, during := range map[string]bool{"while an attempt runs": true, "before anything runs": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fencedDispatcher(t, during)
		})
	}
}

func fencedDispatcher(t *testing.T, during bool) {
	o := store.Options{Dir: t.TempDir()}
	first := inboxtest.Store(t, o)
	if err := first.Register(ctx, plugin, inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		inboxtest.Accept(t, first, inboxtest.Body(i%2, i))
	}
	begun, goOn := make(chan struct{}, 8), make(chan struct{})
	run := func(_ context.Context, _ *inbox.Work) inbox.Outcome {
		begun <- struct{}{}
		<-goOn
		return inbox.Outcome{Result: inbox.OK}
	}
	log := lines{slog.DiscardHandler, new(atomic.Int32), new(atomic.Int32)}
	d := dispatch.New(dispatch.Options{Store: first, Log: slog.New(log)})
	end := running(t, d)
	defer end()
	live := &dispatch.Live{Release: "r1", Manifest: inbox.Manifest{}.WithDefaults(4), Run: run}
	if during {
		d.SetLive(plugin, live)
		<-begun
	}
	second := inboxtest.Store(t, o) // another server begins on the same directory
	close(goOn)
	if !during {
		d.SetLive(plugin, live)
	}
	inboxtest.Eventually(t, "it says so", func() bool { return log.fences.Load() > 0 })
	if s, ok := d.Status(ctx, plugin); !ok || !strings.Contains(s.Note, "another server") || s.Running != 0 {
		t.Errorf("%+v, %v", s, ok)
	}
	for range 3 { // whatever makes the pump look once more
		d.Wake(plugin)
		if _, ok := d.Status(ctx, plugin); !ok {
			t.Fatal("no pump")
		}
	}
	if log.fences.Load() != 1 || log.resets.Load() != 0 {
		t.Errorf("it said so %d times, and began again %d times", log.fences.Load(), log.resets.Load())
	}
	if all, err := second.Plugins(ctx); err != nil || all[0].Cursor != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if seqs, err := second.SettledAbove(ctx, plugin, 0, 0); err != nil || len(seqs) != 0 {
		t.Errorf("attempts of the first server were recorded: %v, %v", seqs, err)
	}
	// The newer server delivers all of it.
	live.Run = func(context.Context, *inbox.Work) inbox.Outcome {
		return inbox.Outcome{Result: inbox.OK}
	}
	next := dispatch.New(dispatch.Options{Store: second})
	defer running(t, next)()
	next.SetLive(plugin, live)
	inboxtest.Eventually(t, "the newer server delivered all", func() bool {
		all, err := second.Plugins(ctx)
		return err == nil && all[0].Cursor == 8
	})
}

// running runs a dispatcher and returns what ends it.
func running(t testing.TB, d *dispatch.Dispatcher) (end func()) {
	run, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(run) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestEverySettlementCarriesTheTermThatWasLoaded(t *testing.T) {
	t.Parallel()
	r, f := newFaultyFixture(t, inbox.Manifest{}, func(m made) inbox.Result {
		if m.seq == 3 && m.attempt == 1 {
			return inbox.Trap
		}
		return inbox.OK
	})
	var others atomic.Int32
	f.settle = func(s *inbox.Settlement) error {
		if s.Term != r.store.Term() {
			others.Add(1)
		}
		return nil
	}
	r.send(20, 5, 0)
	r.start("r1")
	r.settled()
	if others.Load() > 0 {
		t.Errorf("%d settlements of another term", others.Load())
	}
}
