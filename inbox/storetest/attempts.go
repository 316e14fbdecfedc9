package storetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"inbox/inbox"
)

// An event that is retried for ever must not fill the disk. Its first attempts must stay readable.
func aRunWithManyAttemptsKeepsTheFirstAndTheLast(t *testing.T, open Open) {
	w := NewWorld(t, open(t, Options{}))
	seq := w.Arrive(1)
	d, l := w.Events[seq-1], w.Lanes[1]
	d.settled = true
	checked := map[int]bool{1: true, 10: true, 11: true, 12: true, 200: true, 201: true, 260: true}
	for n := 1; n <= 260; n++ {
		st := w.Attempt(d, 0, inbox.Again)
		st.Attempt.Log = bytes.Repeat([]byte("log "), 4<<10)
		l.row = &inbox.Lane{ID: l.ID, Next: d.Seq, State: inbox.LaneRetry, DueAt: w.Now.Add(time.Hour), Attempt: d.attemptsOf[0], Counted: d.attemptsOf[0], Since: w.Now}
		st.Lane.Put = l.row
		w.Settle(st)
		if checked[n] {
			checkKept(t, w, seq, n)
		}
	}
	e, err := w.s.Event(t.Context(), seq)
	if err != nil {
		t.Fatal(err)
	}
	manyAttempts := func(attempts int) ([]inbox.ManyAttempts, error) { return w.s.ManyAttempts(t.Context(), attempts, 10) }
	runs, err := manyAttempts(260)
	same(t, "runs of 260 attempts", runs, err, []inbox.ManyAttempts{{Plugin: "p", ID: e.ID, Attempts: 260}})
	runs, err = manyAttempts(261)
	same(t, "runs of 261 attempts", runs, err, nil)
	w.Run(1, inbox.Done, false)
	runs, err = manyAttempts(1)
	same(t, "runs after it is done", runs, err, nil)
}

// checkKept checks which of the n attempts of an event's first run are kept: up to ten with their texts, up to 200 without.
func checkKept(t *testing.T, w *World, seq int64, n int) {
	t.Helper()
	tr, err := w.s.Trace(t.Context(), seq)
	if err != nil {
		t.Fatal(err)
	}
	var texts, rows []int
	for _, a := range tr.Deliveries[0].Attempts {
		rows = append(rows, a.Number)
		switch log, reason := len(a.Log) > 0, a.Reason != ""; {
		case log && reason:
			texts = append(texts, a.Number)
		case log || reason || !a.LogCut:
			t.Errorf("attempt %d has lost one of its texts: reason %q, a log of %d bytes, cut %t", a.Number, a.Reason, len(a.Log), a.LogCut)
		}
	}
	same(t, fmt.Sprintf("texts after %d attempts", n), texts, nil, firstAndLast(n, 5))
	same(t, fmt.Sprintf("rows after %d attempts", n), rows, nil, firstAndLast(n, 100))
	var fetches []int
	for _, f := range tr.Deliveries[0].Fetches {
		fetches = append(fetches, f.Attempt)
	}
	same(t, fmt.Sprintf("fetches after %d attempts", n), fetches, nil, firstAndLast(n, 5))
}

// firstAndLast returns the first count and the last count of the numbers 1 to n.
func firstAndLast(n, count int) (list []int) {
	for i := 1; i <= n; i++ {
		if i <= count || i > n-count {
			list = append(list, i)
		}
	}
	return list
}

// The dead letter of a run refers to its last attempt. That attempt is kept when the run is retried many times afterwards.
func theAttemptOfADeadLetterIsKept(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	seq := w.Arrive(1)
	d := w.Events[seq-1]
	for range 7 {
		w.Run(1, inbox.Again, false)
	}
	w.Run(1, inbox.Dead, true)
	w.Resolve(d, 0, inbox.Retried)
	for range 220 {
		w.Run(1, inbox.Again, false)
	}
	tr, err := w.s.Trace(ctx, seq)
	if err != nil {
		t.Fatal(err)
	}
	if a := tr.Deliveries[0].Attempts[7]; a.Number != 8 || a.Fate != inbox.Dead || a.Reason == "" || len(a.Log) == 0 {
		t.Errorf("%+v", a)
	}
	deadLetters, err := w.s.DeadLetters(ctx, inbox.DeadLetterFilter{Resolved: true})
	if err != nil || len(deadLetters) != 1 || deadLetters[0].Reason == "" {
		t.Errorf("%+v, %v", deadLetters, err)
	}
}
