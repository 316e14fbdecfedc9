package store_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// senders is a group of senders in a test of the quarantine. They send n requests.
type senders struct {
	name    string
	n       int
	address func(i int) string // of the i-th request; nil: one address for all
	agent   string
	agents  func(i int) string // of the i-th request; nil: agent for all
	size    int                // of a body in bytes; zero: small
	why     string
	other   bool // the bodies are not events of QoreID
	every   time.Duration
}

func (c senders) request(i int, start time.Time) *inbox.Refused {
	address := "192.0.2.77"
	if c.address != nil {
		address = c.address(i)
	}
	agent := c.agent
	if c.agents != nil {
		agent = c.agents(i)
	}
	body := fmt.Sprintf("%s %d ", c.name, i)
	body += strings.Repeat("x", max(0, c.size-len(body)))
	why := c.why
	if why == "" {
		why = "mismatch"
	}
	return &inbox.Refused{
		Source: "q", Address: address, Why: why, ReceivedAt: start.Add(time.Duration(i) * c.every), Known: !c.other,
		Payload: inbox.Payload{Headers: []inbox.Header{{Name: "user-agent", Value: agent}}, Body: []byte(body)},
	}
}

// left refuses all requests of the groups, one group after the other, and returns the number of stored requests by group.
func left(t *testing.T, bounds inbox.QuarantineBounds, groups ...senders) map[string]int {
	t.Helper()
	s := inboxtest.Store(t, store.Options{Bounds: bounds})
	start := time.Now()
	for _, c := range groups {
		next := make(chan int)
		var wg sync.WaitGroup
		for range min(64, max(1, (8<<20)/max(1, c.size))) { // up to the bytes that may wait for the disk
			wg.Go(func() {
				for i := range next {
					if err := s.Refuse(ctx, c.request(i, start)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for i := range c.n {
			next <- i
		}
		close(next)
		wg.Wait()
	}
	kept := map[string]int{}
	if err := s.EachRefused(ctx, "", func(r *inbox.Refused) error {
		name, _, _ := strings.Cut(string(r.Payload.Body), " ")
		kept[name]++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	st, err := s.Stats(ctx)
	if err != nil || st.Quarantine.Count > bounds.Count || st.Quarantine.Bytes > bounds.Bytes {
		t.Errorf("beyond its bounds: %+v, %v", st.Quarantine, err)
	}
	sent := 0
	for _, c := range groups {
		sent += c.n
	}
	if byCause := slices.Sorted(maps.Values(st.Quarantine.DroppedBy)); st.Quarantine.Count+st.Quarantine.Dropped != int64(sent) {
		t.Errorf("%d sent, %d kept, %d dropped (%v)", sent, st.Quarantine.Count, st.Quarantine.Dropped, byCause)
	}
	return kept
}

func each(format string) func(int) string {
	return func(i int) string { return fmt.Sprintf(format, i) }
}

// While the secret is wrong, genuine requests are refused too. Requests of other senders must not displace them, in either order of
// arrival.
func TestOtherSendersDoNotDisplaceGenuineRequestsFromTheQuarantine(t *testing.T) {
	t.Parallel()
	bounds := inbox.QuarantineBounds{Count: 240, Bytes: 4 << 20, Age: time.Hour}
	genuine := senders{name: "genuine", n: 20, agent: "axios/1.7", size: 2000, every: 7 * time.Second}
	for name, others := range map[string]senders{
		"a few large bodies of one address": {n: 20, size: 900 << 10, address: func(int) string { return "198.51.100.1" }},
		"large bodies that look genuine":    {n: 20, size: 900 << 10, address: func(int) string { return "198.51.100.1" }, agent: "axios/1.7"},
		"large bodies of many addresses":    {n: 30, size: 900 << 10, address: each("198.51.%d.1")},
		"bodies slightly below large":       {n: 150, size: 60 << 10, address: func(int) string { return "198.51.100.1" }},
		"one address":                       {n: 400, address: func(int) string { return "198.51.100.1" }},
		"ten addresses":                     {n: 400, address: func(i int) string { return fmt.Sprintf("198.51.%d.1", i%10) }},
		"one IPv4 network":                  {n: 400, address: func(i int) string { return fmt.Sprintf("198.51.100.%d", i%256) }},
		"one IPv6 network of a customer":    {n: 400, address: each("2001:db8:7:7::%x")},
		"one IPv6 network of a site":        {n: 400, address: each("2001:db8:7:%x::1")},
		"unsigned ones of many addresses":   {n: 400, why: "missing", address: each("2001:db8:%x::1")},
		"malformed ones behind our proxy":   {n: 400, why: "malformed"},
		"no events, of many addresses":      {n: 400, other: true, address: each("2001:db8:%x::1")},
		"no events, behind our proxy":       {n: 400, other: true},
		"another program behind our proxy":  {n: 400, agent: "curl/8"},
		"many programs behind our proxy":    {n: 400, agent: "axios/1.7", size: 200 << 10},
		"a new program in every request":    {n: 400, agents: each("agent/%d"), size: 2000},
		"one burst behind our proxy":        {n: 400, agent: "axios/1.7", size: 2000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			others.name = "other"
			for _, order := range [][]senders{{others, genuine}, {genuine, others}} {
				kept := left(t, bounds, order...)
				if kept["genuine"] < genuine.n*9/10 {
					t.Errorf("%s first: %v", order[0].name, kept)
				}
			}
		})
	}
}

func TestRequestsOfOneAddressMayFillTheWholeQuarantine(t *testing.T) {
	t.Parallel()
	bounds := inbox.QuarantineBounds{Count: 400, Bytes: 4 << 20, Age: time.Hour}
	for _, c := range []senders{
		{name: "small", n: 400},
		{name: "unknown", n: 400, other: true},
		{name: "without", n: 400, why: "no_secret"},
		{name: "photos", n: 13, size: 300 << 10},
		{name: "unsigned", n: 400, why: "missing"},
	} {
		if kept := left(t, bounds, c); kept[c.name] != c.n {
			t.Errorf("%v of %d", kept, c.n)
		}
	}
}

func TestTwoSendersThatFillTheQuarantineGetHalfEach(t *testing.T) {
	t.Parallel()
	bounds := inbox.QuarantineBounds{Count: 200, Bytes: 4 << 20, Age: time.Hour}
	one := senders{name: "one", n: 300, every: time.Second}
	two := senders{name: "two", n: 300, every: time.Second, address: func(int) string { return "198.51.100.1" }}
	if kept := left(t, bounds, one, two); kept["one"] != 100 || kept["two"] != 100 {
		t.Errorf("%v", kept)
	}
}

func TestALargeRequestDoesNotDisplaceManySmallOnes(t *testing.T) {
	t.Parallel()
	bounds := inbox.QuarantineBounds{Count: 1000, Bytes: 4 << 20, Age: time.Hour}
	small := senders{name: "small", n: 300, size: 8000} // more than half of the bytes
	large := senders{name: "large", n: 9, size: 1 << 19, address: each("198.51.%d.1")}
	if kept := left(t, bounds, small, large); kept["small"] != small.n || kept["large"] == 0 {
		t.Errorf("%v", kept)
	}
}

func TestARequestOfMoreThanAQuarterOfTheQuarantineIsCountedAndNotStored(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{Bounds: inbox.QuarantineBounds{Count: 100, Bytes: 1 << 20, Age: time.Hour}})
	if err := s.Refuse(ctx, senders{name: "huge", size: 1<<18 + 1}.request(0, time.Now())); err != nil {
		t.Fatal(err)
	}
	s.CountDropped("missing")
	inboxtest.Eventually(t, "both are counted", func() bool { // counts that are being written are counted twice for a moment
		st, err := s.Stats(ctx)
		q := st.Quarantine
		return err == nil && q.Count == 0 && q.DroppedBy["too_large"] == 1 && q.DroppedBy["rate"] == 1 && q.Dropped == 2 && q.DroppedCouldPass == 1
	})
	if err := s.Refuse(ctx, senders{name: "next"}.request(0, time.Now())); err != nil { // its transaction stores the counts
		t.Fatal(err)
	}
	inboxtest.Eventually(t, "the stored counts are counted once", func() bool {
		st, err := s.Stats(ctx)
		return err == nil && st.Quarantine.Dropped == 2 && st.Quarantine.Count == 1
	})
}

func TestTheQuarantineIsDiscardedByReasonAndBySource(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	for i, c := range []senders{{name: "a", why: "missing"}, {name: "b", why: "malformed"}, {name: "c"}, {name: "d", why: "no_secret"}} {
		r := c.request(i, time.Now())
		if c.name == "d" {
			r.Source = "other"
		}
		if err := s.Refuse(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		source string
		why    []string
		want   int64
	}{{"", []string{"missing", "malformed"}, 2}, {"nowhere", nil, 0}, {"other", nil, 1}, {"", nil, 1}, {"", nil, 0}} {
		if n, err := s.DiscardRefused(ctx, step.source, step.why); n != step.want || err != nil {
			t.Errorf("%+v: %d, %v", step, n, err)
		}
	}
	if st, err := s.Stats(ctx); err != nil || st.Quarantine.Count != 0 || st.Quarantine.Dropped != 0 {
		t.Errorf("%+v, %v", st.Quarantine, err)
	}
}

func TestAnEventDoesNotWaitForAllRefusedRequestsBeforeIt(t *testing.T) {
	t.Parallel()
	var commits atomic.Int64
	s := inboxtest.Store(t, store.Faulty(store.Options{}, func(point string) error {
		if point == store.PointCommit {
			commits.Add(1)
		}
		return nil
	}))
	release := store.Hold(s)
	large := senders{name: "large", size: 500 << 10} // a batch has three
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			if err := s.Refuse(ctx, large.request(i, time.Now())); err != nil {
				t.Error(err)
			}
		})
	}
	inboxtest.Eventually(t, "they wait", func() bool { return store.Waiting(s) >= 30 })
	accepted := make(chan int64, 1)
	go func() {
		inboxtest.Accept(t, s, "signed")
		accepted <- commits.Load()
	}()
	inboxtest.Eventually(t, "the event waits too", func() bool { return store.Waiting(s) >= 31 })
	before := commits.Load()
	release()
	if n := <-accepted - before; n > 5 { // the event's, one of refused requests, and upkeep's; on a slow machine there may be a second one of each
		t.Errorf("the event was answered after %d commits", n)
	}
	wg.Wait()
	if n := commits.Load() - before; n < 10 {
		t.Errorf("all requests took only %d commits, so the test proves nothing", n)
	}
}
