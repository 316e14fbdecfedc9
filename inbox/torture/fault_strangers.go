package torture

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"inbox/inbox/qoreid"
)

// Strangers have other loopback addresses than the honest senders, because the handler's limits are per address.
const (
	strangerAddresses = 5
	stalled           = 196 // connections that stop one byte short
	genuine           = 20  // requests signed with a secret that the server does not have: a mistyped secret at the sender
	marker            = "of-a-mistyped-secret"
	answered401       = 300 // number of answered posts of strangers after which the attack is complete
	acceptedAmong     = 25  // honest bodies that must be accepted during the attack
	attackTime        = 4 * time.Second
	strangersBound    = 30 * time.Second
)

// noLoopback returns why strangers cannot have other addresses; empty: they can.
func noLoopback() string {
	if runtime.GOOS != "linux" {
		return "only Linux routes all of 127.0.0.0/8"
	}
	return ""
}

// strangers attacks the handler while honest senders go on: it holds connections and fills the quarantine. The honest bodies must
// be accepted. The quarantine must keep the requests that were signed with a mistyped secret.
func (r *round) strangers() {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	r.mistyped(ctx)
	kept := r.t.queryInt(ctx, `SELECT count(*) FROM refused WHERE why = 'mismatch'`)
	a := &attack{}
	var all sync.WaitGroup
	for n := range strangerAddresses {
		client := clientFrom(n)
		all.Go(func() { a.posts(ctx, r, client, n) })
	}
	all.Go(func() { a.stalls(ctx, r) })
	under := r.until(ctx, func() bool { return a.held.Load() >= stalled*3/4 && a.answered.Load() >= answered401 })
	sleep(ctx, attackTime) // until bodies of every size were refused for lack of memory
	before, denied := r.t.history.accepted(), r.t.history.refusals()
	r.until(ctx, func() bool { return r.t.history.accepted() >= before+acceptedAmong })
	accepted, denied := r.t.history.accepted()-before, r.t.history.refusals()-denied
	if r.s.alive() && ctx.Err() == nil && (accepted < acceptedAmong || denied > accepted) {
		r.t.report.broke("law 6: with strangers at the handler, %d honest bodies were accepted and %d answered 503 within %s", accepted, denied, strangersBound)
	}
	cancel()
	all.Wait()
	if !r.s.alive() {
		r.t.report.broke("law 6: the server ended with strangers at the handler: %s", r.s.last())
		return
	}
	still := r.t.queryInt(r.ctx, `SELECT count(*) FROM refused f JOIN contents c ON c.id = f.content_id WHERE instr(c.bytes, CAST(? AS BLOB)) > 0`,
		fmt.Sprintf("%s-%d-", marker, r.t.round))
	if still < min(genuine, kept) {
		r.t.report.broke("law 6: strangers pushed requests with a mistyped secret out of the quarantine: of %d are left %d", genuine, still)
	}
	r.s.happened = under
	r.s.kill()
}

// until waits until condition returns true, up to strangersBound. It reports whether it did.
func (r *round) until(ctx context.Context, condition func() bool) bool {
	for end := time.Now().Add(strangersBound); ctx.Err() == nil && r.s.alive() && time.Now().Before(end); sleep(ctx, 20*time.Millisecond) {
		if condition() {
			return true
		}
	}
	return false
}

// attack counts the connections that stopped one byte short and the answered posts of strangers. A connection counts also after
// the server has closed it.
type attack struct{ held, answered atomic.Int64 }

// mistyped sends requests as QoreID does while the server's secret is mistyped. Each must be answered 401 or 503.
func (r *round) mistyped(ctx context.Context) {
	c := r.t.connection(r.s, 98)
	defer c.client.CloseIdleConnections()
	for n := range genuine {
		body := fmt.Sprintf(`{"event":"workflow","event_type":"verification_completed","data":{"id":%d,"n":"%s-%d-%d"}}`, n, marker, r.t.round, n)
		code, text, err := c.post(ctx, "qoreid", body, "the intended secret")
		if err == nil && code != http.StatusUnauthorized && code != http.StatusServiceUnavailable {
			r.t.history.badAnswer(fmt.Sprintf("a body with another secret was answered %d %s", code, text))
		}
	}
}

// clientFrom returns a client with the n-th address of the strangers.
func clientFrom(n int) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+n))}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 1}, Timeout: 20 * time.Second}
}

// posts sends bodies of many sizes without a valid signature until ctx is done.
func (a *attack) posts(ctx context.Context, r *round, client *http.Client, address int) {
	defer client.CloseIdleConnections()
	rng := r.t.rng(uint64(200 + address))
	for n := 0; ctx.Err() == nil; n++ {
		size := []int{10, 1000, 100_000, 1 << 20, 9 << 20}[rng.IntN(5)]
		body := fmt.Sprintf(`{"event":"workflow","stranger":"%d/%d/%d","fill":"%s"}`, r.t.round, address, n, strings.Repeat("x", size))
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.s.webhooks+"/webhooks/qoreid", strings.NewReader(body))
		if err != nil {
			return
		}
		switch rng.IntN(3) {
		case 0: // a signature with another secret
			req.Header.Set(qoreid.DefaultHeader, qoreid.Sign(qoreid.DefaultAlgorithm, []byte("a stranger's"), []byte(body)))
		case 1:
			req.Header.Set(qoreid.DefaultHeader, "malformed")
		}
		resp, err := client.Do(req)
		if err != nil {
			sleep(ctx, 10*time.Millisecond) // the server may close a connection without reading the body
			continue
		}
		a.answered.Add(1)
		if resp.StatusCode == http.StatusOK {
			r.t.history.badAnswer("a stranger's body was answered 200")
		}
		_, _ = io.Copy(io.Discard, resp.Body) // only the status counts
		resp.Body.Close()
	}
}

// stall returns the body size and the delay of the n-th stalled connection. A hundred large bodies come first. Then six bodies of
// each power of two down to 64 bytes use the remaining memory.
func stall(n int) (size int, delay time.Duration) {
	const large, each = 100, 6
	if n < large {
		return 4 << 20, 0
	}
	group := (n - large) / each
	return 2 << 20 >> group, 1500*time.Millisecond + time.Duration(group)*100*time.Millisecond
}

// stalls opens connections that announce a body and stop one byte short. It holds them until ctx is done.
func (a *attack) stalls(ctx context.Context, r *round) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, 200)}}
	almost := []byte(strings.Repeat("x", 4<<20))
	var all sync.WaitGroup
	for n := range stalled {
		size, delay := stall(n)
		all.Go(func() {
			sleep(ctx, delay)
			for ctx.Err() == nil {
				conn, err := dialer.DialContext(ctx, "tcp", r.s.webhooks)
				if err != nil {
					sleep(ctx, 50*time.Millisecond)
					continue
				}
				stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
				_, err = fmt.Fprintf(conn, "POST /webhooks/qoreid HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size)
				if err == nil {
					_, err = conn.Write(almost[:size-1])
				}
				a.held.Add(1)
				if err == nil {
					_, _ = io.Copy(io.Discard, conn) // until the server closes the connection, or the attack ends
				}
				stop()
				_ = conn.Close()
				sleep(ctx, 50*time.Millisecond)
			}
		})
	}
	all.Wait()
}
