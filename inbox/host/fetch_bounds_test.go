package host_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
)

func TestAFetchHasTheTimeThatTheAttemptHasLeft(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	s, _ := counting(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ok" {
			return
		}
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	defer close(hang)
	p := fetcher(t, func(m *inbox.Manifest) { m.HTTP.Private, m.Limits.Time = []string{s.URL}, 10*time.Second })
	out := fetch(t, p, nil, fetching(s.URL+"/ok", s.URL+"/hang"))
	list := journal(&out)
	if out.Result != inbox.Timeout || !strings.Contains(out.Reason, "10s in a fetch from "+s.URL) || len(list) != 2 || list[1].Ended != inbox.Timeout || list[1].Why == "" {
		t.Fatalf("%s (%s), journal %+v", out.Result, out.Reason, list)
	}
	if again := fetch(t, p, &inbox.Journal{Fetches: list}, fetching(s.URL+"/ok", s.URL+"/hang")); again.Result != inbox.Timeout || again.Reason != out.Reason {
		t.Errorf("from the journal: %s (%s)", again.Result, again.Reason)
	}
	if out := fetch(t, p, nil, fetching(s.URL+"/ok")); out.Result != inbox.OK {
		t.Errorf("the next event: %s (%s)", out.Result, out.Reason)
	}
}

func TestAStoppingProgramEndsAFetchWithoutARecord(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	s, _ := counting(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	p := fetcher(t, private(s.URL))
	ctx, stop := context.WithCancel(context.Background())
	go func() { <-arrived; stop() }()
	body, _ := json.Marshal(fetching(s.URL))
	e, payload := event(inbox.Passed, string(body))
	out := p.Attempt(ctx, &inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 5, Attempt: 1}, Now: e.ReceivedAt})
	if !out.Interrupted || out.Effects != nil {
		t.Errorf("%+v", out)
	}
}

func TestAnEndlessBodyIsCutAndTheAnswersOfAnAttemptAreBounded(t *testing.T) {
	t.Parallel()
	s, n := counting(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if r.URL.Path == "/small" {
			return
		}
		block := []byte(strings.Repeat(r.URL.Query().Get("c"), 64<<10))
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	p := fetcher(t, private(s.URL))
	out := fetch(t, p, nil, fetching(s.URL+"/endless?c=x"))
	list := journal(&out)
	if out.Result != inbox.OK || len(list) != 1 || !strings.Contains(string(list[0].Document), `"truncated":true`) || len(list[0].Document) < inbox.MaxFetchedBody ||
		len(list[0].Document) > inbox.MaxFetchedBody+1000 {
		t.Fatalf("%s (%s), %d entries", out.Result, out.Reason, len(list))
	}
	n.Store(0)
	out = fetch(t, p, nil, fetching(urls(s.URL+"/small", inbox.MaxFetches+1)...))
	if out.Result != inbox.OK || len(journal(&out)) != inbox.MaxFetches || n.Load() != inbox.MaxFetches || !strings.HasSuffix(string(out.Log), "quota\n") {
		t.Errorf("%s (%s) after %d requests", out.Result, out.Reason, n.Load())
	}
	n.Store(0)
	many := fetching(urls(s.URL+"/endless?c=%01", inbox.MaxFetches)...) // six bytes for each byte
	many.End = "retry"
	out = fetch(t, p, nil, many)
	if out.Result != inbox.Retry || n.Load() != 3 || len(journal(&out)) != 3 {
		t.Errorf("%s (%s) after %d requests", out.Result, out.Reason, n.Load())
	}
}

func urls(url string, n int) (list []string) {
	for range n {
		list = append(list, url)
	}
	return list
}

func TestAGuestPaysForTheBytesThatItFetches(t *testing.T) {
	t.Parallel()
	s, _ := counting(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		_, _ = io.WriteString(w, strings.Repeat("x", len(r.URL.Path)))
	})
	p := fetcher(t, private(s.URL))
	a, b := fetch(t, p, nil, fetching(s.URL+"/")), fetch(t, p, nil, fetching(s.URL+"/"+strings.Repeat("y", 7000)))
	if a.Result != inbox.OK || b.Result != inbox.OK || b.Fuel-a.Fuel < 4*7000 { // written, read, answered and copied
		t.Errorf("%s %d, %s %d", a.Result, a.Fuel, b.Result, b.Fuel)
	}
}
