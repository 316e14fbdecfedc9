package dispatch

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"inbox/inbox"
)

// said is a log that keeps level, message, result and count.
type said struct{ strings.Builder }

func newSaid() (*said, *slog.Logger) {
	s := &said{}
	return s, slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if slices.Contains([]string{slog.LevelKey, slog.MessageKey, "result", "count"}, a.Key) {
			return a
		}
		return slog.Attr{}
	}}))
}

func (s *said) lines() []string {
	list := strings.Split(strings.TrimSpace(s.String()), "\n")
	s.Reset()
	slices.Sort(list) // the counts of a minute are in random order
	return list
}

func TestTheFirstFailureOfAKindIsLoggedAndTheRestOfTheMinuteCounted(t *testing.T) {
	t.Parallel()
	out, log := newSaid()
	f := newFailureLog(log, "crm")
	e, began := &inbox.Event{ID: "evt_1"}, time.Unix(1000, 0)
	attempt := func(r inbox.Result) *inbox.Attempt {
		return &inbox.Attempt{Plugin: "crm", Number: 1, Result: r, StartedAt: began, Reason: "Ada Lovelace", Log: []byte("Ada Lovelace")}
	}
	if !f.next().IsZero() {
		t.Errorf("without a failure it has something to do at %s", f.next())
	}
	for range 4 {
		f.attempt(e, attempt(inbox.Trap), nil)
	}
	f.attempt(e, attempt(inbox.Timeout), nil)
	f.attempt(e, attempt(inbox.OK), nil)
	f.attempt(e, attempt(inbox.Trap), &inbox.DeadLetter{Parks: true})
	f.attempt(e, attempt(inbox.Reject), &inbox.DeadLetter{})
	const again, more = `level=WARN msg="attempt failed and will be made again" result=`, `level=WARN msg="more attempts failed the same way" result=`
	want := []string{
		`level=ERROR msg="delivery is dead and its lane is parked: later events of its key wait until it is retried or discarded" result=trap`,
		`level=ERROR msg="delivery is dead" result=reject`,
		again + "timeout", again + "trap",
	}
	if diff := cmp.Diff(want, out.lines()); diff != "" {
		t.Error(diff)
	}
	if f.flush(began.Add(59 * time.Second)); out.Len() > 0 {
		t.Errorf("before the minute is over it says %q", out.lines())
	}
	f.flush(f.next())
	if diff := cmp.Diff([]string{more + "trap count=3"}, out.lines()); diff != "" {
		t.Error(diff)
	}
	f.attempt(e, attempt(inbox.Trap), nil)
	if diff := cmp.Diff([]string{again + "trap"}, out.lines()); diff != "" {
		t.Errorf("in the next minute: %s", diff)
	}
}

// TestEveryFailureIsLoggedOrCountedOnce draws minutes full of failures. No failure is lost between the lines, and no line holds
// a reason or a log.
func TestEveryFailureIsLoggedOrCountedOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		out, log := newSaid()
		f := newFailureLog(log, "crm")
		now, failed := time.Unix(1000, 0), map[inbox.Result]int{}
		kinds := []inbox.Result{inbox.Trap, inbox.Timeout, inbox.Retry}
		for range rapid.IntRange(1, 60).Draw(t, "attempts") {
			r := rapid.SampledFrom(kinds).Draw(t, "result")
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second)
			if next := f.next(); !next.IsZero() && !now.Before(next) {
				f.flush(now)
			}
			failed[r]++
			f.attempt(&inbox.Event{}, &inbox.Attempt{Result: r, StartedAt: now, Reason: "Ada", Log: []byte("Ada")}, nil)
		}
		f.flush(f.next())
		counted := map[inbox.Result]int{}
		text := out.String()
		for line := range strings.Lines(text) {
			_, rest, _ := strings.Cut(line, "result=")
			var r inbox.Result
			n := 1
			if strings.Contains(rest, "count=") {
				_, err := fmt.Sscanf(rest, "%s count=%d", &r, &n)
				if err != nil {
					t.Fatal(err)
				}
			} else {
				r = inbox.Result(strings.TrimSpace(rest))
			}
			counted[r] += n
		}
		if diff := cmp.Diff(failed, counted); diff != "" {
			t.Fatalf("failures and log lines:\n%s\n%s", diff, text)
		}
		if strings.Contains(text, "Ada") {
			t.Fatalf("a reason or a log is said: %s", text)
		}
	})
}

// Without the reason the line only tells the operator to look elsewhere.
func TestAFailureIsLoggedWithWhyInTheHostsWords(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	f := newFailureLog(slog.New(slog.NewTextHandler(&text, nil)), "crm")
	const host = "its output is not a result"
	f.attempt(&inbox.Event{ID: "evt_1"}, &inbox.Attempt{Result: inbox.BadResult, StartedAt: time.Unix(1, 0), Reason: host + `: "Ada"`, HostWords: len(host)}, nil)
	if out := text.String(); !strings.Contains(out, `why="`+host+`"`) || strings.Contains(out, "Ada") {
		t.Error(out)
	}
}
