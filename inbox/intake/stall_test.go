package intake_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"inbox/inbox/inboxtest"
	"inbox/inbox/intake"
)

// stall opens n connections that send a body except its last byte. Some may be answered that the budget is used up.
func (d *server) stall(t *testing.T, n int, text string, headers ...string) {
	t.Helper()
	for range n {
		w := d.dial(t)
		w.head(append(headers, signature(text), fmt.Sprint("Content-Length: ", len(text)))...)
		go func() { _, _ = io.WriteString(w.Conn, text[:len(text)-1]) }() // ends with the connection
	}
}

func TestSendersThatHoldBackTheLastByteDoNotBlockOthers(t *testing.T) {
	t.Parallel()
	s := source()
	s.MaxBody = 1 << 20
	d := open(t, intake.Options{
		Sources: []intake.Source{s}, InFlight: 16 << 20, ReadTimeout: time.Hour, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	})
	text := `"` + strings.Repeat("x", 1<<20-2) + `"`
	d.stall(t, 65, text, "X-Forwarded-For: 198.51.100.1")
	for range 30 { // the budget is used up when one of them is answered 503
		if a := d.answer(t); a.Code != 503 || a.Status != "busy" {
			t.Fatalf("a stalled one is answered %+v", a)
		}
	}
	honest := func(from, text string) int {
		t.Helper()
		return d.do(t, d.request(t, http.MethodPost, path, text, append(signed(text), "X-Forwarded-For", from)...)).code
	}
	for i := range 20 {
		small := fmt.Sprintf(`{"event":"x","data":{"id":%d}}`, i)
		large := fmt.Sprintf(`{"event":"x","data":{"id":%d,"photo":%q}}`, i, strings.Repeat("x", 900<<10))
		if code := honest("203.0.113.5", small); code != 200 {
			t.Errorf("a small body is answered %d", code)
		}
		if code := honest("203.0.113.5", large); code != 200 {
			t.Errorf("a large body is answered %d", code)
		}
		if code := honest("198.51.100.1", small+" "); code != 200 {
			t.Errorf("a small body of the same address is answered %d", code)
		}
	}
	large := `{"event":"y","photo":"` + strings.Repeat("x", 900<<10) + `"}`
	inboxtest.Eventually(t, "a large body of the same address is received", func() bool { return honest("198.51.100.1", large) == 200 })
}

// pipes is a listener whose connections are in memory, so that time is the test's.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// inMemory serves the handler in the test's time. dial returns a connection to it.
func inMemory(t *testing.T, o intake.Options) (dial func() net.Conn, keep *memory) {
	t.Helper()
	keep = &memory{}
	o.Keep, o.Sources = keep, []intake.Source{source()}
	p := &pipes{make(chan net.Conn), make(chan struct{})}
	s := &http.Server{Handler: intake.New(o), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(p) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return func() net.Conn {
		mine, theirs := net.Pipe()
		p.conns <- theirs
		return mine
	}, keep
}

// answered reads one answer and returns its code, 0 when the connection ends without one.
func answered(c net.Conn) int {
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func TestABodyHasTimeAsLongAsItsPiecesArrive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		size, piece int
		every       time.Duration
		code        int
		after       time.Duration
	}{
		{"a piece of 256 KiB every 15 s", 1 << 20, 256 << 10, 15 * time.Second, 200, 60 * time.Second},
		{"a piece of 256 KiB every 21 s", 1 << 20, 256 << 10, 21 * time.Second, 408, 20 * time.Second},
		{"a byte a second", 100, 1, time.Second, 408, 20 * time.Second},
		{"a byte a second of a small one", 15, 1, time.Second, 200, 15 * time.Second},
		{"a kilobyte a second", 1 << 20, 1 << 10, time.Second, 408, 20 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			dial, _ := inMemory(t, intake.Options{})
			conn, sent := dial(), make(chan struct{})
			defer func() {
				_ = conn.Close()
				<-sent
			}()
			text := `"` + strings.Repeat("x", c.size-2) + `"`
			began := time.Now()
			go func() {
				defer close(sent)
				fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: %d\r\n\r\n", path, signature(text), len(text))
				for rest := text; rest != ""; rest = rest[min(c.piece, len(rest)):] {
					time.Sleep(c.every)
					if _, err := io.WriteString(conn, rest[:min(c.piece, len(rest))]); err != nil {
						return
					}
				}
			}()
			if code := answered(conn); code != c.code || time.Since(began) != c.after {
				t.Errorf("%s: answered %d after %s", c.name, code, time.Since(began))
			}
		})
	}
}

// net/http reads the rest of a small body before it answers.
func TestTheWaitForAnUnreadBodyEnds(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"an unknown path": "POST /nowhere HTTP/1.1", "another method": "PUT " + path + " HTTP/1.1", "an unknown path in chunks": "POST /nowhere HTTP/1.1\r\nTransfer-Encoding: chunked",
	} {
		synctest.Test(t, func(t *testing.T) {
			dial, _ := inMemory(t, intake.Options{})
			conn := dial()
			defer conn.Close()
			length := "\r\nContent-Length: 100"
			if strings.Contains(head, "chunked") {
				length = ""
			}
			began := time.Now()
			fmt.Fprintf(conn, "%s\r\nHost: x%s\r\n\r\n5", head, length)
			code := answered(conn)
			if took := time.Since(began); code < 400 || took > time.Second {
				t.Errorf("%s: answered %d after %s", name, code, took)
			}
		})
	}
}

// The handler waits for the store after it has read the body, and longer than the body's time.
func TestTheTimeOfABodyEndsWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dial, keep := inMemory(t, intake.Options{})
		keep.gate = make(chan struct{})
		conn := dial()
		defer conn.Close()
		go func() {
			time.Sleep(25 * time.Second)
			close(keep.gate)
		}()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: %d\r\n\r\n%s", path, signature(body), len(body), body)
		if code := answered(conn); code != 200 || len(keep.accepted) != 1 {
			t.Errorf("answered %d", code)
		}
	})
}
