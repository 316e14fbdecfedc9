package operator_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
	"inbox/inbox/operator"
)

func TestAListOfEventsIsAsLongAsTheLogAndInItsOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const n = 1200 // two pages
	done := make(chan error, n)
	for worker := range 100 {
		go func() {
			var err error
			for i := range n / 100 {
				_, one := r.store.Accept(t.Context(), inboxtest.Arrival(inboxtest.Body(worker, i)))
				err = errors.Join(err, one)
			}
			done <- err
		}()
	}
	for range 100 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for _, newest := range []bool{false, true} {
		for _, limit := range []int{0, 1, 1000, 1001, 2000} {
			got := seqs(r.events(inbox.Filter{Newest: newest, Limit: limit}))
			want := n
			if limit > 0 {
				want = min(limit, n)
			}
			if len(got) != want {
				t.Errorf("newest %v, limit %d: %d events", newest, limit, len(got))
			}
			for i, seq := range got {
				if expect := map[bool]int64{false: int64(i + 1), true: int64(n - i)}[newest]; seq != expect {
					t.Fatalf("newest %v: seq %d at place %d", newest, seq, i)
				}
			}
		}
	}
	if got := r.events(inbox.Filter{Key: "nobody"}); len(got) != 0 {
		t.Errorf("%d events of nobody", len(got))
	}
	enough := errors.New("enough")
	if err := r.client.Events(t.Context(), inbox.Filter{}, nil, func(api.Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

func TestAFilterArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	first := r.accept(1, 2)
	r.accept(2, 2)
	r.die("p", first[1].Seq, inbox.Trap)
	e := r.events(inbox.Filter{}, first[0].ID)[0]
	if e.ID != first[0].ID || e.Event != "workflow" || e.Source != "qoreid" || e.Mode != inbox.Live || e.Secret != "test" || e.StoredAt.IsZero() {
		t.Errorf("event: %+v", e)
	}
	for name, c := range map[string]struct {
		f    inbox.Filter
		want []int64
	}{
		"seqs":      {inbox.Filter{Seqs: []int64{2, 3}}, []int64{2, 3}},
		"event":     {inbox.Filter{Events: []string{"work*", "x"}}, []int64{1, 2, 3, 4}},
		"type":      {inbox.Filter{EventTypes: []string{"other"}}, nil},
		"source":    {inbox.Filter{Sources: []string{"other"}}, nil},
		"mode":      {inbox.Filter{Mode: inbox.Test}, nil},
		"key":       {inbox.Filter{Key: e.Key}, []int64{1, 2}},
		"reference": {inbox.Filter{CustomerReference: "ref-2"}, []int64{3, 4}},
		"status":    {inbox.Filter{Statuses: []string{"failed"}}, nil},
		"plugin":    {inbox.Filter{Plugin: "p"}, []int64{2}},
		"since":     {inbox.Filter{Since: time.Now().Add(time.Hour)}, nil},
		"until":     {inbox.Filter{Until: time.Now().Add(time.Hour), Limit: 1}, []int64{1}},
		"where":     {inbox.Filter{Where: []inbox.Condition{{Pointer: "/data/step", Values: []string{"1", "7"}}}}, []int64{2, 4}},
		"after":     {inbox.Filter{After: 3}, []int64{4}},
		"before":    {inbox.Filter{Before: 3, Newest: true}, []int64{2, 1}},
	} {
		if diff := cmp.Diff(c.want, seqs(r.events(c.f))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	err := r.client.Events(t.Context(), inbox.Filter{}, []string{"evt_0000000100000000"}, nil)
	if inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("an id that is nobody's: %v", err)
	}
}

func TestAnEventIsShownMaskedUnlessItIsToBeRevealedAndThatIsRecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	body := `{"event":"address","data":{"id":5,"name":"Ada"}}`
	receipt := inboxtest.Accept(t, r.store, body)
	inboxtest.Accept(t, r.store, `{"event":"address","data":{"id":5,"name":"Bob"}}`)
	inboxtest.Accept(t, r.store, body)
	r.die("p", receipt.Seq, inbox.Reject)
	d, err := r.client.Event(t.Context(), receipt.ID, api.Reveal{})
	if err != nil {
		t.Fatal(err)
	}
	if string(d.Body) != `{"event":"address","data":{"id":5,"name":"[string:3]"}}` || d.Copies.Count != 1 || d.Revealed {
		t.Errorf("masked: %s, %+v", d.Body, d.Copies)
	}
	at := d.Deliveries[0].Attempts[0]
	if d.Deliveries[0].State != inbox.StateDead || at.Reason != "[string:27]" || at.Log != "[string:17]" || at.Millis != 3 || at.Release != "rel1" {
		t.Errorf("delivery: %+v", d.Deliveries)
	}
	if d, err = r.client.Event(t.Context(), receipt.ID, api.Reveal{On: true, Reason: "call 7"}); err != nil {
		t.Fatal(err)
	}
	if at := d.Deliveries[0].Attempts[0]; string(d.Body) != body || !d.Revealed || at.Log != "saw Ada Lovelace\n" || len(d.Headers) != 1 {
		t.Errorf("revealed: %s, %+v", d.Body, at)
	}
	raw, err := r.client.Raw(t.Context(), receipt.ID, "call 8")
	if err != nil || string(raw) != body {
		t.Error(string(raw), err)
	}
	want := []string{
		"reveal event " + receipt.ID + " by " + operator.Self() + ": call 7", "reveal event " + receipt.ID + " by " + operator.Self() + ": call 8",
	}
	if diff := cmp.Diff(want, r.audited()); diff != "" {
		t.Error(diff)
	}
	second := r.events(inbox.Filter{Seqs: []int64{2}})[0]
	if d, err = r.client.Event(t.Context(), second.ID, api.Reveal{}); err != nil || d.Deliveries[0].State != inbox.StateWaiting || d.Deliveries[0].Behind != receipt.ID {
		t.Errorf("the event behind: %+v, %v", d.Deliveries, err)
	}
	_, err = r.client.Raw(t.Context(), "evt_0000000100000000", "")
	wantKind(t, err, inbox.NotFound, "")
}

func TestABodyThatIsNotJSONIsRevealedAsBytes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := "{\"name\":\"\xff\"}"
	receipt := inboxtest.Accept(t, r.store, body)
	d, err := r.client.Event(t.Context(), receipt.ID, api.Reveal{On: true})
	if err != nil || string(d.BodyBase64) != body || d.Body != nil {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestAStreamSendsNewEventsAndResumesWhereItEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan int64, 10)
	stream := func(f inbox.Filter) chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := r.client.Stream(ctx, f, func(e api.Event) error { got <- e.Seq; return nil })
			ended <- err
		}()
		return ended
	}
	expect := func(want ...int64) {
		t.Helper()
		for _, seq := range want {
			select {
			case s := <-got:
				if s != seq {
					t.Fatalf("got seq %d, want %d", s, seq)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("seq %d did not come", seq)
			}
		}
	}
	ended := stream(inbox.Filter{Since: time.Now().Add(-time.Hour), Events: []string{"workflow"}})
	expect(1, 2)
	inboxtest.Accept(t, r.store, `{"event":"address","data":{"id":9}}`)
	r.accept(1, 3)
	expect(4)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the stream ended with %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	ended = stream(inbox.Filter{After: 2})
	expect(3, 4)
	cancel()
	<-ended
	stop := errors.New("stop")
	after, err := r.client.Stream(t.Context(), inbox.Filter{After: 1}, func(e api.Event) error {
		if e.Seq == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || after != 2 {
		t.Errorf("after %d, %v", after, err)
	}
}

// opening returns the lines that a stream begins with, up to the first event or the answer's end.
func opening(t *testing.T, opt operator.Options, query, last string) (status int, lines []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://x/v1/events/stream"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := operator.Local{Handler: operator.New(opt)}.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if lines = append(lines, s.Text()); s.Text() == "event: event" || len(lines) == 3 && query == "" && last == "" {
			break
		}
	}
	return resp.StatusCode, lines
}

func TestAStreamBeginsWhereItIsAskedTo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, 3)
	for _, c := range []struct {
		query, last string
		where, id   string
	}{
		{"", "2", "id: 2", "id: 3"}, {"?after=1", "", "id: 1", "id: 2"}, {"?after=0", "", "id: 0", "id: 1"}, {"", "0", "id: 0", "id: 1"},
		{"?after=0", "2", "id: 2", "id: 3"}, {"", "", "id: 3", ""}, {"?since=2020-01-01T00:00:00Z", "", "id: 0", "id: 1"},
	} {
		want := []string{": alive", c.where, ""}
		if c.id != "" {
			want = append(want, c.id, "event: event")
		}
		if status, lines := opening(t, r.opt, c.query, c.last); status != http.StatusOK || !slices.Equal(lines, want) {
			t.Errorf("%+v: %d %q, want %q", c, status, lines, want)
		}
	}
	if status, _ := opening(t, r.opt, "?after=0", "two"); status != http.StatusBadRequest {
		t.Errorf("an invalid id gets the status %d", status)
	}
}

func TestAClientOfAStreamWithoutEventsKnowsWhereItWas(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, 3)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(": alive\nid: 3\n\n: alive\nid: 5\n\nid: 6\nda"))
	}))
	defer front.Close()
	client := &api.Client{HTTP: front.Client(), Base: front.URL}
	if after, err := client.Stream(t.Context(), inbox.Filter{}, nil); after != 5 || err != nil {
		t.Errorf("after %d, %v", after, err)
	}
}

func TestAnEventIsNamedByItsIDOrItsSeq(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, 3)
	for _, name := range []string{"2", "02"} {
		d, err := r.client.Event(t.Context(), name, api.Reveal{})
		if err != nil || d.Seq != 2 {
			t.Errorf("%s is %d, %v", name, d.Seq, err)
		}
	}
	for name, kind := range map[string]inbox.Kind{"4": inbox.NotFound, "0": inbox.Invalid, "-1": inbox.Invalid, "+2": inbox.Invalid, "2x": inbox.Invalid, "99999999999999999999": inbox.Invalid} {
		if _, err := r.client.Event(t.Context(), name, api.Reveal{}); inbox.KindOf(err) != kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	var got []int64
	err := r.client.Events(t.Context(), inbox.Filter{}, []string{"3", "1"}, func(e api.Event) error { got = append(got, e.Seq); return nil })
	if err != nil || !slices.Equal(got, []int64{1, 3}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestEntitiesAreListedAndTheirTimelinesShown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	r.accept(1, 2)
	done := inboxtest.Accept(t, r.store, `{"event":"workflow","event_type":"verification_completed","data":{"id":2,"status":{"status":"VERIFIED","state":"COMPLETE"}}}`)
	inboxtest.Accept(t, r.store, `{"event":"workflow","event_type":"verification_started","data":{"id":2}}`)
	r.die("p", 1, inbox.Reject)
	all, err := r.client.Entities(t.Context(), inbox.Filter{}, false, 0)
	if err != nil || len(all) != 2 || all[0].Key != "qoreid/workflow/2" && !strings.Contains(all[0].Key, "2") || all[0].Late != 1 || all[0].Verdict != inbox.Passed {
		t.Errorf("%+v, %v", all, err)
	}
	open, err := r.client.Entities(t.Context(), inbox.Filter{}, true, 0)
	if err != nil || len(open) != 1 || !open[0].Open || open[0].Events != 2 {
		t.Errorf("open: %+v, %v", open, err)
	}
	if old, err := r.client.Entities(t.Context(), inbox.Filter{}, false, 72*time.Hour); err != nil || len(old) != 0 {
		t.Errorf("old: %+v, %v", old, err)
	}
	tl, err := r.client.Timeline(t.Context(), inbox.Live, open[0].Key, api.Reveal{})
	if err != nil || len(tl.Events) != 2 || tl.Events[0].Deliveries[0].State != inbox.StateDead || tl.Events[1].Deliveries[0].Behind != tl.Events[0].ID {
		t.Errorf("timeline: %+v, %v", tl, err)
	}
	if strings.Contains(fmt.Sprint(tl), "Ada") {
		t.Errorf("a name is shown: %+v", tl)
	}
	if tl, err = r.client.Timeline(t.Context(), inbox.Live, open[0].Key, api.Reveal{On: true}); err != nil || !strings.Contains(fmt.Sprint(tl), "Ada") || len(r.audited()) != 1 {
		t.Errorf("revealed: %+v, %v", tl, err)
	}
	if e := r.events(inbox.Filter{}, done.ID)[0]; e.Verdict != inbox.Passed {
		t.Errorf("%+v", e)
	}
	_, err = r.client.Timeline(t.Context(), inbox.Test, open[0].Key, api.Reveal{})
	wantKind(t, err, inbox.NotFound, "there is no test event")
}
