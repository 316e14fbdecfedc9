package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"inbox/inbox"
)

// ledger is a store that only takes settlements, and leaves their end to the test.
type ledger struct {
	Store
	taken []*inbox.Settlement
	done  []func(error)
	full  error
}

func (g *ledger) Settle(_ context.Context, s *inbox.Settlement, done func(error)) error {
	if g.full != nil {
		return g.full
	}
	g.taken, g.done = append(g.taken, s), append(g.done, done)
	return nil
}

// newTestLink returns a link to a ledger, and the plugins whose release was disabled.
func newTestLink() (*link, *ledger, *[]string) {
	g, disabled := &ledger{}, &[]string{}
	o := &Options{Store: g, Log: slog.New(slog.DiscardHandler), Disabled: func(p string) { *disabled = append(*disabled, p) }}
	k := newLink(context.Background(), o, "crm")
	k.begin(1)
	return k, g, disabled
}

// woken reports whether the link woke the loop since it was last asked.
func (k *link) woken() bool {
	select {
	case <-k.wake:
		return true
	default:
		return false
	}
}

func TestTheLinkWakesTheLoopWhenAllThatWasSubmittedIsDurable(t *testing.T) {
	t.Parallel()
	k, g, _ := newTestLink()
	k.submit(&inbox.Settlement{Position: inbox.PositionChange{Cursor: 1}})
	k.submit(&inbox.Settlement{Position: inbox.PositionChange{Cursor: 2}})
	if k.quiet() || k.durable(1) || g.taken[0].Plugin != "crm" || g.taken[0].Chain != g.taken[1].Chain {
		t.Errorf("submitted %+v", g.taken)
	}
	g.done[0](nil)
	if k.woken() || !k.durable(1) || k.durable(2) || k.quiet() {
		t.Error("after the first of two is durable")
	}
	g.done[1](nil)
	if !k.woken() || !k.durable(2) || !k.quiet() || k.broken() {
		t.Error("after both are durable")
	}
}

func TestASettlementThatFailsBreaksItsOwnChainOnly(t *testing.T) {
	t.Parallel()
	k, g, _ := newTestLink()
	k.submit(&inbox.Settlement{Position: inbox.PositionChange{Cursor: 1}})
	old := g.taken[0].Chain
	g.done[0](errors.New("the disk is slow"))
	if !k.broken() || !old.Broken() || !k.woken() || !k.quiet() {
		t.Error("a settlement failed, and the chain is whole")
	}
	k.begin(1)
	if k.broken() || k.submitted != 0 || k.durable(1) {
		t.Error("a new chain begins broken")
	}
	g.full = errors.New("the store is closed")
	if k.submit(&inbox.Settlement{}); !k.broken() || !k.quiet() {
		t.Error("the store refused a settlement, and the chain is whole")
	}
}

func TestTheLinkKnowsThatARunningReleaseIsRecordedAndReportsADisabledOne(t *testing.T) {
	t.Parallel()
	k, g, disabled := newTestLink()
	r := &release{link: k, id: "r1"}
	for range 2 {
		if r.record() || len(g.taken) != 1 || g.taken[0].Release.Running != "r1" {
			t.Fatalf("submitted %+v", g.taken)
		}
	}
	if g.done[0](nil); !r.record() || !k.woken() {
		t.Error("the record is durable, and nothing may start")
	}
	k.submit(&inbox.Settlement{Release: inbox.ReleaseChange{Disable: &inbox.Disable{Release: "r1"}}})
	if len(*disabled) != 0 {
		t.Error("the release is reported as disabled before that is stored")
	}
	if g.done[1](nil); len(*disabled) != 1 || (*disabled)[0] != "crm" {
		t.Errorf("disabled: %v", *disabled)
	}
}
