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

// traffic is a group of senders that send to a server until they are stopped.
type traffic struct {
	cancel  context.CancelFunc
	senders sync.WaitGroup
}

// stop stops the senders and waits for them.
func (f *traffic) stop() {
	f.cancel()
	f.senders.Wait()
}

// send starts senders on Options.Connections connections.
func (t *campaign) send(ctx context.Context, s *server) *traffic {
	f := &traffic{}
	ctx, f.cancel = context.WithCancel(ctx)
	for n := range t.opt.Connections {
		c := t.connection(s, n)
		f.senders.Go(func() {
			defer c.client.CloseIdleConnections()
			for ctx.Err() == nil && c.sendOne(ctx) {
				sleep(ctx, time.Duration(c.rng.IntN(12))*time.Millisecond)
			}
		})
	}
	return f
}

// firstAccept sends until one body is accepted, and reports the time since the start of the process.
func (t *campaign) firstAccept(ctx context.Context, s *server, h fault) {
	c := t.connection(s, 99)
	defer c.client.CloseIdleConnections()
	for ctx.Err() == nil && s.alive() && c.sendOne(ctx) {
		if c.accepted == 0 {
			sleep(ctx, time.Millisecond)
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

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// connection is one sender with its own connection.
type connection struct {
	t        *campaign
	base     string
	client   *http.Client
	rng      *rand.Rand
	name     string
	n        int
	accepted int
	onlyOK   bool
}

func (t *campaign) connection(s *server, n int) *connection {
	return &connection{
		t: t, onlyOK: t.onlyOK, base: "http://" + s.webhooks, rng: t.rng(uint64(1000*t.drains + 100 + n)), name: fmt.Sprintf("%d/%d/%d", t.round, t.drains, n),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: 40 * time.Second},
	}
}

// sendOne sends one body. It returns false when the server does not answer.
func (c *connection) sendOne(ctx context.Context) bool {
	c.n++
	next := c.nextBody()
	if c.rng.IntN(100) == 0 {
		return c.sendForged(ctx, next)
	}
	w := c.t.history
	body, first, floor := w.sending(next)
	code, text, err := c.post(ctx, body.source, body.body, secret)
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
		w.badAnswer(fmt.Sprintf("a signed body was answered %d %s", code, text))
	default:
		c.accepted++
		w.answer(answered{body: body, seq: r.Seq, first: first, stored: r.Status == inbox.Stored, floor: floor})
	}
	return true
}

// sendForged sends a body that is signed with another secret. The server must reject it. The history does not have it, so the oracle
// finds it if the server stores it.
func (c *connection) sendForged(ctx context.Context, s sent) bool {
	code, text, err := c.post(ctx, s.source, s.body+" ", "another secret")
	if err != nil {
		return false
	}
	if code != http.StatusUnauthorized && code != http.StatusServiceUnavailable {
		c.t.history.badAnswer(fmt.Sprintf("a forged body was answered %d %s", code, text))
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

// nextBody returns the next body: one in eight was sent before, one in twenty is distorted.
func (c *connection) nextBody() sent {
	if c.rng.IntN(8) == 0 {
		if old, ok := c.t.history.repeated(c.rng.IntN(1 << 30)); ok {
			return old
		}
	}
	source := sources[c.rng.IntN(len(sources))]
	s := sent{source: source, mode: inbox.Live, known: true, copies: source == "echo", script: script(c.rng.Float64())}
	if c.onlyOK {
		s.script = "o"
	}
	if source == "trial" {
		s.mode = inbox.Test
	}
	id := c.rng.IntN(40) + 100*(1+strings.Index("qoreid second trial echo", source))
	s.entity = fmt.Sprint(s.mode, "/", id)
	types := []string{"verification_started", "step_verification_completed", "verification_completed"} // in random order: many are late
	s.body = fmt.Sprintf(`{"event":"workflow","event_type":%q,"data":{"id":%d,"customerReference":"ref-%d","n":"%s/%d","script":"@@%s@@"}}`,
		types[c.rng.IntN(3)], id, id%5, c.name, c.n, s.script)
	if c.rng.IntN(20) == 0 && !c.onlyOK {
		c.distort(&s)
	}
	return s
}

// distort changes a body so that it is harder to parse. A body that cannot be parsed has no entity and no script.
func (c *connection) distort(s *sent) {
	switch c.rng.IntN(4) {
	case 0:
		s.body = "\xef\xbb\xbf" + s.body
	case 1: // large, up to the largest size that the guest gets inline
		s.body = strings.TrimSuffix(s.body, "}}") + `,"photo":"` + strings.Repeat("Zm9v", 1000+c.rng.IntN(80_000)) + `"}}`
	case 2: // invalid UTF-8: the server can parse the event, the plugin gets it as base64
		s.body = strings.Replace(s.body, `"n":"`, "\"n\":\"\xff\xfe", 1)
		s.script, s.entity = "", ""
	case 3:
		s.body = fmt.Sprintf("not JSON at all: %s/%d", c.name, c.n)
		s.script, s.entity, s.known = "", "", false
	}
}
