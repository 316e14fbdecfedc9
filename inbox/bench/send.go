package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"inbox/inbox"
	"inbox/inbox/egress"
	"inbox/inbox/outbox"
)

// perOrigin is the number of requests to one receiver at the same time. It is the outbox's default.
const perOrigin = 16

// crm is the origin of requests that are not sent.
const crm = "https://crm.example.com"

// note is the body of every request.
var note = []byte(`{"note":"` + strings.Repeat("x", bodySize-11) + `"}`)

// asking returns the effects of an attempt that asks for one request to an origin.
func asking(origin string) func(seq int64) *inbox.Effects {
	return func(seq int64) *inbox.Effects {
		r := inbox.Request{
			Method: http.MethodPost, URL: origin + "/notes", Body: note, Headers: []inbox.Header{{Name: "Content-Type", Value: "application/json"}},
		}
		return &inbox.Effects{Lane: laneOf(seq), Requests: []inbox.Outgoing{{Request: r, Origin: origin}}}
	}
}

// answersAtOnce is a sender without a network.
type answersAtOnce struct{}

// Send answers 200.
func (answersAtOnce) Send(context.Context, *inbox.Effect, *inbox.EffectRequest) inbox.Sent {
	return inbox.Sent{Response: &inbox.Response{
		Status: http.StatusOK, Headers: []inbox.Header{{Name: "content-type", Value: "application/json"}}, Body: []byte(received),
	}}
}

// clientSender sends with a client as the program does.
type clientSender struct{ client *egress.Client }

// Send makes one try.
func (s clientSender) Send(ctx context.Context, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
	answer, err := s.client.Do(ctx, egress.Call{Request: r.Request, IdempotencyKey: e.Key})
	if err != nil {
		return inbox.Sent{Failure: inbox.Reject, Why: err.Error()}
	}
	return inbox.Sent{Response: answer}
}

// sendAll sends n stored effects, each once, and returns when all tries are settled. An effect that is not done is an error.
func sendAll(ctx context.Context, r *fixture, n int, sender outbox.Sender) error {
	sending, stop := context.WithCancel(ctx)
	defer stop()
	var tries atomic.Int64
	var bad atomic.Pointer[inbox.Sent]
	policy := inbox.DefaultPolicy()
	out := outbox.New(outbox.Options{
		Store: r.Store, Sender: sender, Term: r.Term(), PerOrigin: perOrigin,
		Policy: func(string) (inbox.Policy, bool) { return policy, true },
		Observe: func(_ *inbox.Effect, s *inbox.Sent, d inbox.Decision) {
			if d.Fate != inbox.Done {
				bad.Store(s)
				stop()
			}
			if tries.Add(1) == int64(n) {
				stop()
			}
		},
	})
	err := out.Run(sending)
	if s := bad.Load(); s != nil {
		return errors.Join(err, fmt.Errorf("a request was not sent: %s: %s", s.Result(), s.Why))
	}
	return errors.Join(err, ctx.Err())
}

// received is the body of every response.
const received = `{"ok":true}`

// receive reads a request and answers it.
func receive(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, received) // the client reports a response that is cut
}

// sends compares the outbox with a bare client, which sends as many requests at the same time to the same receiver.
func sends(_ context.Context, l *lab) (comparison, error) {
	n := l.scale(10_000)
	list, err := arrivals(n, n, bodySize)
	if err != nil {
		return comparison{}, err
	}
	to, err := listen(http.HandlerFunc(receive))
	if err != nil {
		return comparison{}, err
	}
	origin, first := "http://"+to.address, false
	return comparison{end: to.close, round: func(ctx context.Context) error {
		var ours, bare float64
		steps := []func() error{
			func() (err error) { bare, err = sendBare(ctx, origin, n); return err },
			func() (err error) { ours, err = l.sendStored(ctx, origin, list); return err },
		}
		first = !first
		for i := range steps {
			if first {
				i = len(steps) - 1 - i
			}
			if err := steps[i](); err != nil {
				return err
			}
		}
		l.add("outbox.send", ours)
		l.add("outbox.send.vs_client", ours/bare)
		return nil
	}}, nil
}

// sendStored stores a request for each event of a log, sends them, and returns requests per second, each sent and settled.
func (l *lab) sendStored(ctx context.Context, origin string, list []*inbox.Arrival) (perSecond float64, err error) {
	grant, err := egress.ParseGrant(nil, []string{origin})
	if err != nil {
		return 0, err
	}
	client, err := egress.New(grant, egress.Options{})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	r, err := l.filled(ctx, list)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.remove()) }()
	if err := r.settleAll(ctx, "p", len(list), asking(origin)); err != nil {
		return 0, err
	}
	began := time.Now()
	err = sendAll(ctx, r, len(list), clientSender{client})
	return float64(len(list)) / time.Since(began).Seconds(), err
}

// sendBare sends n requests with net/http alone, and returns requests per second.
func sendBare(ctx context.Context, origin string, n int) (float64, error) {
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: perOrigin}}
	defer c.CloseIdleConnections()
	errs := make([]error, perOrigin)
	var next atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for i := range errs {
		wg.Go(func() {
			for errs[i] == nil && next.Add(1) <= int64(n) {
				errs[i] = post(ctx, c, origin+"/notes")
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(began).Seconds(), errors.Join(errs...)
}

// post sends one request and reads its response.
func post(ctx context.Context, c *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(note))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "a key to measure with")
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the receiver answered %d", resp.StatusCode)
	}
	return nil
}
