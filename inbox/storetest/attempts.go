package storetest

import (
	"bytes"
	"testing"
	"time"

	"inbox/inbox"
)

// One event that is tried for ever must not fill the disk, and what led to it must stay to be read.
func ofARunThatIsTriedAgainAndAgainTheFirstAndTheLastAttemptsAreKept(t *testing.T, open Open) {
	ctx := t.Context()
	w := NewWorld(t, open(t, Options{}))
	seq := w.Arrive(1)
	d, l := w.Events[seq-1], w.Lanes[1]
	again := func() {
		st := w.Attempt(d, 0, inbox.Again)
		st.Attempt.Log = bytes.Repeat([]byte("log "), 4<<10)
		l.row = &inbox.Lane{ID: l.ID, Next: d.Seq, State: inbox.LaneRetry, DueAt: w.Now.Add(time.Hour), Attempt: d.tried[0], Tries: d.tried[0], Since: w.Now}
		st.Lane = l.row
		w.Settle(st)
	}
	d.settled = true
	check := func(n int) {
		t.Helper()
		tr, err := w.s.Trace(ctx, seq)
		if err != nil {
			t.Fatal(err)
		}
		var logs, rows []int
		for _, a := range tr.Deliveries[0].Attempts {
			rows = append(rows, a.Number)
			if len(a.Log) > 0 && a.Reason != "" {
				logs = append(logs, a.Number)
			} else if len(a.Log) > 0 || a.Reason != "" || !a.LogCut {
				t.Errorf("attempt %d is kept by half: %q, a log of %d bytes, cut %t", a.Number, a.Reason, len(a.Log), a.LogCut)
			}
		}
		if want := min(n, 10); len(logs) != want || logs[0] != 1 || logs[want-1] != n || (n >= 10 && (logs[4] != 5 || logs[5] != n-4)) {
			t.Errorf("after %d attempts the logs of %v are kept", n, logs)
		}
		if want := min(n, 200); len(rows) != want || rows[0] != 1 || rows[want-1] != n {
			t.Errorf("after %d attempts %d rows are kept", n, len(rows))
		}
	}
	for n := 1; n <= 260; n++ {
		if again(); n == 1 || n == 10 || n == 11 || n == 12 || n == 200 || n == 201 {
			check(n)
		}
	}
	check(260)
	if runs, err := w.s.OftenTried(ctx, 260, 10); err != nil || len(runs) != 1 || runs[0].Attempts != 260 || runs[0].Plugin != "p" || runs[0].ID == "" {
		t.Errorf("%+v, %v", runs, err)
	}
	if runs, err := w.s.OftenTried(ctx, 261, 10); err != nil || len(runs) != 0 {
		t.Errorf("%+v, %v", runs, err)
	}
	w.Run(1, inbox.Done, false)
	if runs, err := w.s.OftenTried(ctx, 1, 10); err != nil || len(runs) != 0 {
		t.Errorf("it is done, and still %+v, %v", runs, err)
	}
}

// The attempt that a run died of is what its dead letter is about: it stays however often the run is retried after it.
func theAttemptThatARunDiedOfIsKept(t *testing.T, open Open) {
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
	letters, err := w.s.Letters(ctx, inbox.DeadLetterFilter{Resolved: true})
	if err != nil || len(letters) != 1 || letters[0].Reason == "" {
		t.Errorf("%+v, %v", letters, err)
	}
}
