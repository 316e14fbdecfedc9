package store

import (
	"context"
	"fmt"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

// Settle queues a settlement and returns. It blocks while the queue is full. The writing goroutine calls done with nil once the
// settlement is durable, or with the error; [inbox.EndOf] classifies it. A settlement is committed whole, in a batch with others.
// Settlements of a chain commit in the order of submission; after a failed one the later ones fail. A settlement of an earlier
// term ends with [inbox.ErrFenced]. Settle returns [inbox.ErrRefused], and queues nothing, when the reads of the attempt do not
// hold.
func (s *Store) Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error {
	version, err := s.announce(ctx, st)
	if err != nil {
		return err
	}
	fenced := false // belongs to the writing goroutine
	if err := s.submit(ctx, s.settlement(st, version, &fenced, done)); err != nil {
		s.withdraw(st, version, false)
		return err
	}
	return nil
}

// settlement returns the write of a settlement.
func (s *Store) settlement(st *inbox.Settlement, version int64, fenced *bool, done func(error)) *op {
	return &op{
		Kind: commit.Lazy, Size: sizeOf(st),
		Refuse: func() error {
			if st.Chain != nil && st.Chain.Broken() {
				return errBroken
			}
			return nil
		},
		Apply: func(t *tx) (err error) {
			*fenced, err = t.settleUnlessFenced(st, version)
			return err
		},
		Done: func(err error) {
			if err == nil && *fenced {
				err = inbox.ErrFenced
			}
			switch {
			case inbox.EndOf(err) != inbox.EndFailed: // the caller handles the end of a fenced settlement
			case st.Chain == nil:
				s.opt.Log.Error("cannot record the outcome of an attempt", "plugin", st.Plugin, "error", err)
			case !st.Chain.Broken(): // later settlements of a broken chain fail without a log line
				st.Chain.Break()
				s.opt.Log.Error("cannot record the outcome of an attempt; the plugin begins again from the stored state", "plugin", st.Plugin, "error", err)
			}
			s.withdraw(st, version, err == nil)
			done(err)
		},
	}
}

// sizeOf returns the bytes that a settlement writes, about.
func sizeOf(st *inbox.Settlement) int {
	size := 512
	if st.Attempt != nil {
		size += len(st.Attempt.Log) + len(st.Attempt.Reason)
	}
	if e := st.Effects; e != nil {
		if e.State != nil {
			size += len(e.State.Document)
		}
		for i := range e.KV {
			size += len(e.KV[i].Key) + len(e.KV[i].Value)
		}
		for i := range e.Emit {
			size += 512 + e.Emit[i].Size()
		}
		for i := range e.Requests {
			size += 512 + len(e.Requests[i].URL) + len(e.Requests[i].Body)
		}
		for i := range e.Journal {
			size += 512 + len(e.Journal[i].URL) + len(e.Journal[i].Document)
		}
	}
	return size
}

// errBroken is the error of settlements of a broken chain.
var errBroken = inbox.Errorf(inbox.Unavailable, "", "an earlier settlement of the plugin failed")

func (t *tx) settle(st *inbox.Settlement, version int64) error {
	p, err := t.plugin(st.Plugin)
	if err != nil {
		return err
	}
	if seq := newest(st); seq > t.head {
		return inbox.Errorf(inbox.Internal, "settle for plugin "+st.Plugin, "event %d is not stored: the log ends with %d", seq, t.head)
	}
	steps := []func() error{
		func() error { return t.settleAttempt(p, st.Attempt) },
		func() error { return t.settlePosition(p, st) },
		func() error { return t.settleHealth(p, st) },
		func() error { return t.settleRelease(p, st) },
		func() error { return t.settleLane(p, st) },
		func() error { return t.settleDead(p, st.Dead) },
		func() error { return t.settleRun(p, st) },
		func() error { return t.settleReplay(p, st.Replay) },
		func() error { return t.settleEffects(p, st, version) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("settle for plugin %s: %w", st.Plugin, err)
		}
	}
	return nil
}

// newest returns the highest of the seqs of a settlement's cursor, attempt and run.
func newest(st *inbox.Settlement) int64 {
	seq := st.Position.Cursor
	if st.Attempt != nil {
		seq = max(seq, st.Attempt.Seq)
	}
	if st.Run.Put != nil {
		seq = max(seq, st.Run.Put.Seq)
	}
	return seq
}
