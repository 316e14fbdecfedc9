package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"inbox/inbox"
	"inbox/inbox/qoreid"
)

// traffic is what sends to a server until it is stopped.
type traffic struct {
	cancel  context.CancelFunc
	senders sync.WaitGroup
}

// stop ends the sending and waits.
func (f *traffic) stop() {
	f.cancel()
	f.senders.Wait()
}

// send begins to send from many connections.
func (t *campaign) send(ctx context.Context, s *server) *traffic {
	f := &traffic{}
	ctx, f.cancel = context.WithCancel(ctx)
	for n := range t.opt.Connections {
		c := t.connection(s, n)
		f.senders.Go(func() {
			defer c.client.CloseIdleConnections()
			for ctx.Err() == nil && c.one(ctx) {
				rest(ctx, time.Duration(c.chance.IntN(12))*time.Millisecond)
			}
		})
	}
	return f
}

// accepts sends until one body is accepted, and notes how long that took from the start of the process.
func (t *campaign) accepts(ctx context.Context, s *server, h fault) {
	c := t.connection(s, 99)
	defer c.client.CloseIdleConnections()
	for ctx.Err() == nil && s.alive() && c.one(ctx) {
		if c.accepted == 0 {
			rest(ctx, time.Millisecond)
			continue
		}
		if !h.slow {
			took := time.Since(s.began)
			t.report.started(took)
			if b := t.opt.StartBound; b > 0 && took > b {
				t.report.broke("law 5: from the start to the first accept it took %s, with %d events stored before", took.Round(time.Millisecond), t.opt.Stored)
			}
		}
		return
	}
}

func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// connection is one sender.
type connection struct {
	t        *campaign
	base     string
	client   *http.Client
	chance   *rand.Rand
	name     string
	n        int
	accepted int
	well     bool
}

func (t *campaign) connection(s *server, n int) *connection {
	return &connection{
		t: t, well: t.well, base: "http://" + s.webhooks, chance: t.chance(uint64(1000*t.drains + 100 + n)), name: fmt.Sprintf("%d/%d/%d", t.round, t.drains, n),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: 40 * time.Second},
	}
}

// one sends one body. It returns false when nobody listens any more.
func (c *connection) one(ctx context.Context) bool {
	c.n++
	body := c.make()
	if c.chance.IntN(100) == 0 {
		return c.forged(ctx, body)
	}
	w := c.t.world
	what, first, floor := w.sending(body)
	code, text, err := c.post(ctx, what.source, what.body, secret)
	if err != nil {
		return false
	}
	var r inbox.Receipt
	switch {
	case code == http.StatusServiceUnavailable:
		w.mu.Lock()
		w.refused++
		w.mu.Unlock()
	case code != http.StatusOK || json.Unmarshal(text, &r) != nil || r.Seq < 1:
		w.odd(fmt.Sprintf("a signed body was answered %d %s", code, text))
	default:
		c.accepted++
		w.answer(answered{what: what, seq: r.Seq, first: first, stored: r.Status == inbox.Stored, floor: floor})
	}
	return true
}

// forged sends a body with another's signature: it must be refused, and if it is found in the log it was never sent.
func (c *connection) forged(ctx context.Context, s sent) bool {
	code, text, err := c.post(ctx, s.source, s.body+" ", "another secret")
	if err != nil {
		return false
	}
	if code != http.StatusUnauthorized && code != http.StatusServiceUnavailable {
		c.t.world.odd(fmt.Sprintf("a forged body was answered %d %s", code, text))
	}
	return true
}

func (c *connection) post(ctx context.Context, source, body, key string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/webhooks/"+source, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(qoreid.DefaultHeader, qoreid.Sign(qoreid.DefaultAlgorithm, []byte(key), []byte(body)))
	resp, err := c.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, bytes.TrimSpace(text), err
}

// make makes the next body: one in eight was sent before, one in twenty is odd.
func (c *connection) make() sent {
	if c.chance.IntN(8) == 0 {
		if old, ok := c.t.world.again(c.chance.IntN(1 << 30)); ok {
			return old
		}
	}
	source := sources[c.chance.IntN(len(sources))]
	s := sent{source: source, mode: inbox.Live, known: true, copies: source == "echo", script: script(c.chance.Float64())}
	if c.well {
		s.script = "o"
	}
	if source == "trial" {
		s.mode = inbox.Test
	}
	id := c.chance.IntN(40) + 100*(1+strings.Index("qoreid second trial echo", source))
	s.entity = fmt.Sprint(s.mode, "/", id)
	types := []string{"verification_started", "step_verification_completed", "verification_completed"} // in no order: many are late
	s.body = fmt.Sprintf(`{"event":"workflow","event_type":%q,"data":{"id":%d,"customerReference":"ref-%d","n":"%s/%d","script":"@@%s@@"}}`,
		types[c.chance.IntN(3)], id, id%5, c.name, c.n, s.script)
	if c.chance.IntN(20) == 0 && !c.well {
		c.distort(&s)
	}
	return s
}

// distort makes a body odd. Those whose bytes cannot be read have no entity and no script.
func (c *connection) distort(s *sent) {
	switch c.chance.IntN(4) {
	case 0:
		s.body = "\xef\xbb\xbf" + s.body
	case 1: // big, up to the size at which the guest reads it in one piece
		s.body = strings.TrimSuffix(s.body, "}}") + `,"photo":"` + strings.Repeat("Zm9v", 1000+c.chance.IntN(80_000)) + `"}}`
	case 2: // invalid UTF-8: the event is still legible, the plugin gets it as base64
		s.body = strings.Replace(s.body, `"n":"`, "\"n\":\"\xff\xfe", 1)
		s.script, s.entity = "", ""
	case 3:
		s.body = fmt.Sprintf("not JSON at all: %s/%d", c.name, c.n)
		s.script, s.entity, s.known = "", "", false
	}
}
