package egress_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/egress"
)

// ends sends, with longer and longer limits of time, until the exchange ends by time in the phase that the test is about. On a busy
// machine a short limit may end it in an earlier phase.
func ends(t *testing.T, c func(limit time.Duration) *egress.Client, call egress.Call, phase string) {
	t.Helper()
	for limit := 50 * time.Millisecond; ; limit *= 4 {
		_, err := c(limit).Do(t.Context(), call)
		if inbox.KindOf(err) == inbox.Unavailable && strings.Contains(err.Error(), "timed out while "+phase) {
			return
		}
		if limit > 10*time.Second {
			t.Fatalf("%v, want a time-out while %s", err, phase)
		}
	}
}

// within makes clients whose exchanges have a limit of time in all.
func within(t *testing.T, url string) func(time.Duration) *egress.Client {
	return func(limit time.Duration) *egress.Client {
		return client(t, egress.Options{Limits: egress.Limits{Time: limit}}, url)
	}
}

func TestTheTimeOfACallBoundsItAndIsNamed(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { hang(r) })
	call := post(url, "x")
	call.Time = 70 * time.Millisecond
	fails(t, client(t, egress.Options{}, url), call, inbox.Unavailable, context.DeadlineExceeded, "no complete response within 70ms")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := client(t, egress.Options{}, url).Do(ctx, call); inbox.KindOf(err) != inbox.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestASlowDripEndsByTheTotalTime(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			<-tick.C
		}
	})
	ends(t, within(t, url), get(url), "reading the response")
}

func TestSlowHeadersEndByTheTotalTime(t *testing.T) {
	t.Parallel()
	url := raw(t, func(conn net.Conn) {
		head(conn)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for text := "HTTP/1.1 200 OK\r\nX-Slow: "; ; text = "x" {
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
			<-tick.C
		}
	})
	ends(t, within(t, url), get(url), "reading the response")
}

func TestAServerThatNeverAnswersEndsByTheTimeForHeaders(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { hang(r) })
	ends(t, func(limit time.Duration) *egress.Client {
		return client(t, egress.Options{Limits: egress.Limits{Header: limit}}, url)
	}, post(url, "x"), "waiting for the response")
}

func TestAServerThatNeverReadsEndsByTime(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	url := raw(t, func(net.Conn) { <-done })
	t.Cleanup(func() { close(done) })              // before the receiver waits for its connections
	call := post(url, strings.Repeat("x", 15<<20)) // more than the buffers of both sockets
	ends(t, within(t, url), call, "sending the request")
}

func TestAnEndlessBodyEndsAtTheLimitOfBytes(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		for block := bytes.Repeat([]byte("x"), 32<<10); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	r := do(t, client(t, egress.Options{}, url), get(url))
	if !r.Cut || len(r.Body) != 1<<20 {
		t.Errorf("%d bytes, cut %v", len(r.Body), r.Cut)
	}
	<-ended // the connection was closed
}

func TestEndlessHeadersEndAtTheLimitOfBytes(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"one line": "x", "many lines": "X-Many: 1\r\n", "early hints": "a: b\r\n\r\nHTTP/1.1 103 Early Hints\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := raw(t, func(conn net.Conn) {
				head(conn)
				_, err := io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nA: ")
				for block := strings.Repeat(text, 1000); err == nil; {
					_, err = io.WriteString(conn, block)
				}
			})
			fails(t, client(t, egress.Options{}, url), get(url), inbox.Unavailable, nil, "")
		})
	}
	url := raw(t, func(conn net.Conn) {
		head(conn)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nX: %s\r\nContent-Length: 0\r\n\r\n", strings.Repeat("x", 70<<10))
	})
	fails(t, client(t, egress.Options{}, url), get(url), inbox.Unavailable, nil, "headers have more than 65536 bytes")
}

func TestConnectionsThatBreakAreTemporary(t *testing.T) {
	t.Parallel()
	for name, fn := range map[string]func(net.Conn){
		"reset at once":       func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) },
		"closed at once":      func(net.Conn) {},
		"reset after request": func(conn net.Conn) { head(conn); _ = conn.(*net.TCPConn).SetLinger(0) },
		"closed in headers":   func(conn net.Conn) { head(conn); _, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX: ") },
		"closed in body": func(conn net.Conn) {
			head(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
		},
		"bad chunk": func(conn net.Conn) {
			head(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
		},
		"control characters": func(conn net.Conn) {
			head(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-Request-Id: \x1b[2J\r\nContent-Length: 0\r\n\r\n")
		},
		"no HTTP": func(conn net.Conn) { head(conn); _, _ = io.WriteString(conn, "220 mail.example.com ESMTP\r\n") },
		"switching": func(conn net.Conn) {
			head(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
		},
		"status 999": func(conn net.Conn) {
			head(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n")
		},
		"two lengths": func(conn net.Conn) {
			head(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := raw(t, fn)
			fails(t, client(t, egress.Options{}, url), post(url, "x"), inbox.Unavailable, nil, "POST "+url+": ")
		})
	}
}

func TestNobodyListeningAndUnknownNamesAreTemporary(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	_ = l.Close()
	fails(t, client(t, egress.Options{}, url), get(url+"/?q=s3cret"), inbox.Unavailable, nil, "failed while connecting")

	opt := egress.Options{Resolver: names(t, func(string, int) []string { return nil })}
	fails(t, client(t, opt, "http://api.test"), get("http://api.test"), inbox.Unavailable, nil, "the name api.test does not exist")

	opt.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("down") }}
	fails(t, client(t, opt, "http://api.test"), get("http://api.test"), inbox.Unavailable, nil, "could not be looked up")
}

// A server can put what it was sent into every part of its answer, and so into every error of net/http.
func TestErrorsNeverShowAQueryOrASecretThatAServerSendsBack(t *testing.T) {
	t.Parallel()
	const query = "qu3ry-of-the-plugin"
	for _, form := range []string{
		"%s\r\n\r\n", "HTTP/1.1 %s\r\n\r\n", "HTTP/%s 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n%s\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://%%zz/%s\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: http://u:%s@localhost:1/\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://localhost:1/?%s\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: gopher://%s\r\n\r\n",
	} {
		url := raw(t, func(conn net.Conn) {
			echo := head(conn)
			echo = strings.NewReplacer("\r\n", "", ": ", "").Replace(echo[:strings.Index(echo, "Accept-Encoding")]) + token + query
			fmt.Fprintf(conn, form, strings.ReplaceAll(echo, " ", ""))
		})
		g := grant(t, nil, []string{url})
		g.Redirects = true
		c := clientOf(t, g, egress.Options{Secret: vault(t, url, "token", token)})
		call := get(url + "/?q=" + query)
		call.Request.Secrets = map[string]string{"A": "{{secret.token}}"}
		_, err := c.Do(t.Context(), call)
		if err == nil {
			t.Errorf("%q is no error", form)
			continue
		}
		for text := fmt.Sprintf("%v %+v %#v %s", err, err, err, inbox.HintOf(err)); err != nil; err = errors.Unwrap(err) {
			if text += err.Error(); strings.Contains(text, query) || strings.Contains(text, token) {
				t.Errorf("%q: %s", form, text)
			}
		}
	}
}
