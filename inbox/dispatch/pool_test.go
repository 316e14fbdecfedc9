package dispatch

import (
	"context"
	"testing"
	"time"

	"inbox/inbox"
)

// onlyPayloads is a store that only has payloads.
type onlyPayloads struct{ Store }

func (onlyPayloads) Payload(context.Context, int64) (inbox.Payload, error) {
	return inbox.Payload{}, nil
}

func TestARecalledCallDoesNotBegin(t *testing.T) {
	t.Parallel()
	began, goOn := make(chan int64), make(chan struct{})
	o := &Options{Store: onlyPayloads{}, Busy: func() bool { return false }, Now: time.Now}
	w := newWorkers(newLink(context.Background(), o, "crm"))
	live := &Live{Release: "r1", Manifest: inbox.Manifest{}.WithDefaults(1), Run: func(_ context.Context, w *inbox.Work) inbox.Outcome {
		e := w.Event
		began <- e.Seq
		<-goOn
		return inbox.Outcome{Result: inbox.OK}
	}}
	live.Manifest.Concurrency = 1
	w.start(live)
	first, second := &lane{}, &lane{}
	w.pass(call{lane: first, event: &inbox.Event{Seq: 1}, behind: []*inbox.Event{{Seq: 2}}})
	if seq := <-began; seq != 1 || !w.free() {
		t.Fatalf("event %d began; free: %v", seq, w.free())
	}
	w.pass(call{lane: second, event: &inbox.Event{Seq: 3}})
	if w.free() || w.waiting() != 1 {
		t.Errorf("%d calls wait, free: %v", w.waiting(), w.free())
	}
	if lanes := w.recall(); len(lanes) != 1 || lanes[0] != second || w.running != 1 {
		t.Errorf("recalled %v, %d running", lanes, w.running)
	}
	goOn <- struct{}{}
	r := <-w.results
	w.ended(r)
	if r.lane != first || r.outcome.Result != inbox.OK || r.outcome.Release != "r1" {
		t.Errorf("the attempt that had begun: %+v", r)
	}
	if r.next != 0 { // the event behind it was promised before the recall was seen: it answers as interrupted
		if r = <-w.results; !r.outcome.Interrupted {
			t.Errorf("the event behind it: %+v", r)
		}
		w.ended(r)
	}
	if w.running != 0 {
		t.Errorf("%d running", w.running)
	}
	w.start(nil)
}
