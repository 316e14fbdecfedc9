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

// Strangers come from other loopback addresses than the honest senders, so that shares per address can be told apart.
const (
	strangerAddresses = 5
	stalled           = 196 // connections that stop one byte short
	genuine           = 20  // requests signed with a secret that the server does not have: a mistyped secret at the sender
	marker            = "of-a-mistyped-secret"
	answered401       = 300 // stranger's posts that make an attack
	acceptedAmong     = 25  // honest bodies that must be accepted once the attack is under way
	attackTime        = 4 * time.Second
	strangersBound    = 30 * time.Second
)

// noLoopback says why strangers cannot have addresses of their own.
func noLoopback() string {
	if runtime.GOOS != "linux" {
		return "only Linux routes all of 127.0.0.0/8"
	}
	return ""
}

// strangers attack the handler while honest senders go on: they hold connections, and fill the quarantine. The honest
// bodies must be accepted, and what a mistyped secret signed must stay in the quarantine.
func (r *round) strangers() {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	r.mistyped(ctx)
	kept := r.t.figure(ctx, `SELECT count(*) FROM refused WHERE why = 'mismatch'`)
	a := &attack{}
	var all sync.WaitGroup
	for n := range strangerAddresses {
		client := from(n)
		all.Go(func() { a.posts(ctx, r, client, n) })
	}
	all.Go(func() { a.stalls(ctx, r) })
	under := r.until(ctx, func() bool { return a.held.Load() >= stalled*3/4 && a.answered.Load() >= answered401 })
	rest(ctx, attackTime) // until the bodies that are refused for lack of memory have tried every size
	before, denied := r.t.world.accepted(), r.t.world.refusals()
	r.until(ctx, func() bool { return r.t.world.accepted() >= before+acceptedAmong })
	accepted, denied := r.t.world.accepted()-before, r.t.world.refusals()-denied
	if r.s.alive() && ctx.Err() == nil && (accepted < acceptedAmong || denied > accepted) {
		r.t.report.broke("law 6: with strangers at the handler, %d honest bodies were accepted and %d answered 503 within %s", accepted, denied, strangersBound)
	}
	cancel()
	all.Wait()
	if !r.s.alive() {
		r.t.report.broke("law 6: the server ended with strangers at the handler: %s", r.s.last())
		return
	}
	still := r.t.figure(r.ctx, `SELECT count(*) FROM refused f JOIN contents c ON c.id = f.content_id WHERE instr(c.bytes, CAST(? AS BLOB)) > 0`,
		fmt.Sprintf("%s-%d-", marker, r.t.round))
	if still < min(genuine, kept) {
		r.t.report.broke("law 6: of %d requests that a mistyped secret signed, strangers left %d in the quarantine", genuine, still)
	}
	r.s.happened = under
	r.s.kill()
}

// until waits until it is so, at most strangersBound, and reports whether it is.
func (r *round) until(ctx context.Context, so func() bool) bool {
	for end := time.Now().Add(strangersBound); ctx.Err() == nil && r.s.alive() && time.Now().Before(end); rest(ctx, 20*time.Millisecond) {
		if so() {
			return true
		}
	}
	return false
}

// attack counts what strangers have done: connections that have stopped one byte short, also those that the server cut
// since, and posts that were answered.
type attack struct{ held, answered atomic.Int64 }

// mistyped sends what QoreID sends while the server's secret is mistyped. Every one is answered 401.
func (r *round) mistyped(ctx context.Context) {
	c := r.t.connection(r.s, 98)
	defer c.client.CloseIdleConnections()
	for n := range genuine {
		body := fmt.Sprintf(`{"event":"workflow","event_type":"verification_completed","data":{"id":%d,"n":"%s-%d-%d"}}`, n, marker, r.t.round, n)
		code, text, err := c.post(ctx, "qoreid", body, "the secret that was meant")
		if err == nil && code != http.StatusUnauthorized && code != http.StatusServiceUnavailable {
			r.t.world.odd(fmt.Sprintf("a body of another secret was answered %d %s", code, text))
		}
	}
}

// from returns a client with an address of its own.
func from(n int) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+n))}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 1}, Timeout: 20 * time.Second}
}

// posts sends what no secret of the server admits, of every shape and size, until ctx is done.
func (a *attack) posts(ctx context.Context, r *round, client *http.Client, address int) {
	defer client.CloseIdleConnections()
	chance := r.t.chance(uint64(200 + address))
	for n := 0; ctx.Err() == nil; n++ {
		size := []int{10, 1000, 100_000, 1 << 20, 9 << 20}[chance.IntN(5)]
		body := fmt.Sprintf(`{"event":"workflow","stranger":"%d/%d/%d","fill":"%s"}`, r.t.round, address, n, strings.Repeat("x", size))
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.s.webhooks+"/webhooks/qoreid", strings.NewReader(body))
		if err != nil {
			return
		}
		switch chance.IntN(3) {
		case 0: // a signature that another secret could have made
			req.Header.Set(qoreid.DefaultHeader, qoreid.Sign(qoreid.DefaultAlgorithm, []byte("a stranger's"), []byte(body)))
		case 1:
			req.Header.Set(qoreid.DefaultHeader, "malformed")
		}
		resp, err := client.Do(req)
		if err != nil {
			rest(ctx, 10*time.Millisecond) // the server may close the connection of a sender whose body it does not read
			continue
		}
		a.answered.Add(1)
		if resp.StatusCode == http.StatusOK {
			r.t.world.odd("a stranger's body was answered 200")
		}
		_, _ = io.Copy(io.Discard, resp.Body) // only the status counts
		resp.Body.Close()
	}
}

// stall returns how large the body of the n-th stalled connection is and when it begins: a hundred large ones first, then
// six of each power of two down to 64 bytes, which take the memory that the larger ones leave.
func stall(n int) (size int, delay time.Duration) {
	const large, each = 100, 6
	if n < large {
		return 4 << 20, 0
	}
	group := (n - large) / each
	return 2 << 20 >> group, 1500*time.Millisecond + time.Duration(group)*100*time.Millisecond
}

// stalls opens connections that announce a body and stop one byte short, and holds them until ctx is done.
func (a *attack) stalls(ctx context.Context, r *round) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, 200)}}
	almost := []byte(strings.Repeat("x", 4<<20))
	var all sync.WaitGroup
	for n := range stalled {
		size, delay := stall(n)
		all.Go(func() {
			rest(ctx, delay)
			for ctx.Err() == nil {
				conn, err := dialer.DialContext(ctx, "tcp", r.s.webhooks)
				if err != nil {
					rest(ctx, 50*time.Millisecond)
					continue
				}
				stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
				_, err = fmt.Fprintf(conn, "POST /webhooks/qoreid HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size)
				if err == nil {
					_, err = conn.Write(almost[:size-1])
				}
				a.held.Add(1)
				if err == nil {
					_, _ = io.Copy(io.Discard, conn) // until the server gives up, or the attack ends
				}
				stop()
				_ = conn.Close()
				rest(ctx, 50*time.Millisecond)
			}
		})
	}
	all.Wait()
}
