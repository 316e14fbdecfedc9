package dispatch

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"inbox/inbox"
)

// oneBody is a store with one body, or with the error of reading it.
type oneBody struct {
	Store
	body string
	err  error
}

func (s *oneBody) Payload(context.Context, int64) (inbox.Payload, error) {
	return inbox.Payload{Body: []byte(s.body)}, s.err
}

func (s *oneBody) LaneDigest(value string) string { return "digest of " + value }

func TestRouteReadsABodyOnlyWhereFiltersOrTheLaneRuleNeedIt(t *testing.T) {
	t.Parallel()
	unread := inbox.Errorf(inbox.Unavailable, "", "the disk is slow")
	damaged := inbox.Errorf(inbox.Internal, "", "the payload is damaged")
	body := `{"data":{"status":"verified","id":7}}`
	where := []inbox.Condition{{Pointer: "/data/status", Values: []string{"verified"}}}
	for name, c := range map[string]struct {
		manifest inbox.Manifest
		store    oneBody
		wanted   bool
		key      string
		fails    bool
	}{
		"by key, the body is not read":                {inbox.Manifest{}, oneBody{err: unread}, true, "k", false},
		"a mode that the plugin does not want":        {inbox.Manifest{Modes: []inbox.Mode{inbox.Test}}, oneBody{err: unread}, false, "k", false},
		"a condition that holds":                      {inbox.Manifest{Where: where}, oneBody{body: body}, true, "k", false},
		"a condition that does not":                   {inbox.Manifest{Where: where}, oneBody{body: `{}`}, false, "k", false},
		"by a pointer":                                {inbox.Manifest{KeyBy: "/data/id"}, oneBody{body: body}, true, "@ptr/digest of 7", false},
		"by a pointer that the body lacks":            {inbox.Manifest{KeyBy: "/data/x"}, oneBody{body: body}, true, "k", false},
		"a damaged body: the attempt will report it":  {inbox.Manifest{Where: where}, oneBody{err: damaged}, true, "k", false},
		"a body that cannot be read now is no answer": {inbox.Manifest{Where: where}, oneBody{err: unread}, false, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &Options{Store: &c.store}
			r := &release{link: newLink(context.Background(), o, "crm")}
			r.replace(&Live{Release: "r1", Manifest: c.manifest.WithDefaults(1)})
			r.rule = r.wanted
			e := &inbox.Event{Seq: 1, Mode: inbox.Live}
			e.View.Key = "k"
			wanted, lane, err := r.route(e)
			if wanted != c.wanted || lane.Key != c.key || (err != nil) != c.fails {
				t.Errorf("wanted %t in lane %v, %v", wanted, lane, err)
			}
		})
	}
}

func TestAReleaseIsProvenByItsFirstSuccessAndAHoldIsStoredUntilItsEnd(t *testing.T) {
	t.Parallel()
	r := &release{link: newLink(context.Background(), &Options{}, "crm"), log: slog.New(slog.DiscardHandler)}
	m := inbox.Manifest{Policy: inbox.Policy{HoldAfter: 1, HoldKeys: 1}}.WithDefaults(1)
	r.replace(&Live{Release: "r1", Manifest: m})
	r.live = &Live{Yields: true}
	now := time.Unix(1000, 0)
	step := func(result inbox.Result, release string, at time.Time) *inbox.Settlement {
		o, s := inbox.Outcome{Result: result, Release: release}, &inbox.Settlement{}
		r.note(r.observe(1, inbox.LaneID{Key: "k"}, o, at), &o, s)
		return s
	}
	if s := step(inbox.Trap, "r0", now); s.Health.Set != nil || s.Release.Disable != nil || r.health.OnHold {
		t.Errorf("an outcome of another release: %+v", s)
	}
	if s := step(inbox.Trap, "r1", now); s.Health.Set == nil || !s.Health.Set.OnHold || s.Release.Disable == nil {
		t.Errorf("a failure before any success: %+v", s)
	}
	if s := step(inbox.OK, "r1", now.Add(time.Minute)); s.Release.Proven != "r1" || s.Health.Set == nil || s.Health.Set.OnHold {
		t.Errorf("the first success: %+v", s)
	}
	if s := step(inbox.OK, "r1", now.Add(time.Minute)); s.Release.Proven != "" || s.Health.Set != nil {
		t.Errorf("the second success: %+v", s)
	}
	if s := step(inbox.Trap, "r1", now.Add(time.Minute)); s.Release.Disable != nil || !r.health.OnHold {
		t.Errorf("a hold of a proven release: %+v", s)
	}
}

func TestRequestsKeepTheNewestReleaseAndAnswerNobodyOnceTheLoopHasEnded(t *testing.T) {
	t.Parallel()
	q := &requests{asks: make(chan func(), 1), gone: make(chan struct{})}
	first, second := &Live{Release: "r1"}, &Live{Release: "r2"}
	q.setLive(first)
	q.lookAgain()
	q.setLive(second)
	if swap, live, look := q.take(); !swap || live != second || !look {
		t.Errorf("took %v, %v, %v", swap, live, look)
	}
	if swap, _, look := q.take(); swap || look {
		t.Error("took the same requests twice")
	}
	q.setLive(nil)
	if swap, live, _ := q.take(); !swap || live != nil {
		t.Errorf("a request for no release: %v, %v", swap, live)
	}
	close(q.gone)
	if n, ok := answer(context.Background(), q, func() int { return 7 }); ok {
		t.Errorf("a loop that has ended answered %d", n)
	}
}
