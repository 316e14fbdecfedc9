package intake_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"inbox/inbox/intake"
	"inbox/inbox/qoreid"
)

// wire is a connection on which a test writes the bytes of HTTP itself.
type wire struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

func (d *server) dial(t *testing.T) *wire {
	t.Helper()
	c, err := net.Dial("tcp", d.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &wire{c, t, bufio.NewReader(c)}
}

func (w *wire) say(format string, args ...any) {
	w.t.Helper()
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		w.t.Fatal(err)
	}
}

// head writes the head of a POST, with these lines in it.
func (w *wire) head(lines ...string) {
	w.t.Helper()
	w.say("POST %s HTTP/1.1\r\nHost: inbox\r\n%s\r\n\r\n", path, strings.Join(lines, "\r\n"))
}

// hear reads an answer and returns its code and text.
func (w *wire) hear() (int, string) {
	w.t.Helper()
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func signature(body string) string {
	return qoreid.DefaultHeader + ": " + qoreid.Sign("", []byte(key), []byte(body))
}

func TestAChunkedBodyIsReceivedInPiecesOfAnySize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{2, 100, 32<<10 - 1, 32 << 10, 32<<10 + 1, 64 << 10, 1<<20 - 1, 1 << 20} {
		text := `"` + strings.Repeat("x", size-2) + `"`
		s := source()
		s.MaxBody = 1 << 20
		d := open(t, intake.Options{Sources: []intake.Source{s}})
		w := d.dial(t)
		w.head(signature(text), "Transfer-Encoding: chunked")
		for rest := text; rest != ""; {
			n := min(len(rest), 1+len(rest)/3)
			w.say("%x\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		w.say("0\r\n\r\n")
		if code, got := w.hear(); code != 200 || string(d.keep.accepted[0].Payload.Body) != text {
			t.Errorf("%d bytes: %d %s", size, code, got)
		}
		w.head(signature(body), fmt.Sprint("Content-Length: ", len(body)))
		w.say("%s", body)
		if code, got := w.hear(); code != 200 {
			t.Errorf("the next on the connection: %d %s", code, got)
		}
	}
}

func TestABodyThatGrowsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	s := source()
	s.MaxBody = 100
	d := open(t, intake.Options{Sources: []intake.Source{s}})
	w := d.dial(t)
	text := strings.Repeat("x", 101)
	w.head(signature(text), "Transfer-Encoding: chunked")
	w.say("65\r\n%s\r\n0\r\n\r\n", text)
	if code, got := w.hear(); code != 413 || !strings.Contains(got, "too_large") {
		t.Errorf("%d %s", code, got)
	}
	w = d.dial(t)
	w.head(signature(text), "Content-Length: 101", "Expect: 100-continue")
	if code, got := w.hear(); code != 413 {
		t.Errorf("announced: %d %s", code, got)
	}
	if a := d.answer(t); a.Code != 413 || a.Status != "too_large" {
		t.Errorf("observed %+v", a)
	}
}

func TestASlowBodyIsWaitedForAndThenStored(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	w := d.dial(t)
	w.head(signature(body), fmt.Sprint("Content-Length: ", len(body)))
	for _, c := range []byte(body) { // every byte a packet of its own
		w.say("%c", c)
	}
	if code, got := w.hear(); code != 200 || !strings.Contains(got, "stored") {
		t.Errorf("%d %s", code, got)
	}
}

func TestABodyThatDoesNotArriveInTimeIsAnswered408(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{ReadTimeout: 30 * time.Millisecond})
	for _, length := range []string{"Content-Length: 100", "Transfer-Encoding: chunked"} {
		w := d.dial(t)
		w.head(signature(body), length)
		w.say("5\r\nhello")
		if code, got := w.hear(); code != 408 || !strings.Contains(got, "slow") {
			t.Errorf("%s: %d %s", length, code, got)
		}
		if a := d.answer(t); a.Code != 408 || a.Status != "slow" {
			t.Errorf("%s: observed %+v", length, a)
		}
	}
	// The time applies only to the body: a connection may be idle between two webhooks.
	w := d.dial(t)
	for range 2 {
		w.say("POST %s HTTP/1.1\r\nHost: inbox\r\n%s\r\nContent-Length: %d\r\n\r\n%s", path, signature(body), len(body), body) // in one packet
		if code, got := w.hear(); code != 200 {
			t.Errorf("%d %s", code, got)
		}
		rest := time.NewTimer(60 * time.Millisecond)
		<-rest.C
	}
}

func TestASenderThatExpects100IsAnsweredContinue(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	w := d.dial(t)
	w.head(signature(body), fmt.Sprint("Content-Length: ", len(body)), "Expect: 100-continue")
	if line, err := w.in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("told %q, %v", line, err)
	}
	if blank, err := w.in.ReadString('\n'); err != nil || strings.TrimSpace(blank) != "" {
		t.Fatalf("told %q, %v", blank, err)
	}
	w.say("%s", body)
	if code, got := w.hear(); code != 200 || !strings.Contains(got, "stored") {
		t.Errorf("%d %s", code, got)
	}
}

func TestAnIncompleteBodyIsNotStored(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	for _, c := range []struct{ line, part string }{
		{"Content-Length: 200", body}, {"Transfer-Encoding: chunked", "5\r\nhello\r\n"}, {"Transfer-Encoding: chunked", "zz\r\n"},
	} {
		w := d.dial(t)
		w.head(signature(body), c.line)
		w.say("%s", c.part)
		if err := w.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if a := d.answer(t); a.Code != 400 || a.Status != "incomplete" {
			t.Errorf("%s: observed %+v", c.line, a)
		}
	}
	if len(d.keep.accepted)+len(d.keep.refused) != 0 {
		t.Errorf("kept %d and %d", len(d.keep.accepted), len(d.keep.refused))
	}
}

func TestAReceivedBodyIsStoredAlthoughItsSenderIsGone(t *testing.T) {
	t.Parallel()
	keep := &memory{gate: make(chan struct{}), entered: make(chan struct{}, 2)}
	d := open(t, intake.Options{Keep: keep})
	for _, lines := range [][]string{{signature(body)}, {"X-None: 1"}} {
		w := d.dial(t)
		w.head(append(lines, fmt.Sprint("Content-Length: ", len(body)))...)
		w.say("%s", body)
		<-keep.entered
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(keep.gate)
	codes := map[int]int{d.answer(t).Code: 1}
	codes[d.answer(t).Code]++
	if codes[200] != 1 || codes[401] != 1 || len(keep.accepted) != 1 || len(keep.refused) != 1 {
		t.Errorf("answered %v, kept %d and %d", codes, len(keep.accepted), len(keep.refused))
	}
}

func TestBodiesInMemoryAreBounded(t *testing.T) {
	t.Parallel()
	s := source()
	s.MaxBody = 256 << 10
	keep := &memory{gate: make(chan struct{}), entered: make(chan struct{}, 8)}
	d := open(t, intake.Options{Sources: []intake.Source{s}, Keep: keep, InFlight: 1, ReadTimeout: 2 * time.Second}) // that is, three bodies
	sizes := []int{240 << 10, 240 << 10, 60 << 10, 240 << 10}
	large := func(i int) string { return fmt.Sprintf(`{"n":%d,"x":"%s"}`, i, strings.Repeat("x", sizes[i])) }
	codes := make(chan int, 3)
	for i := range 3 {
		go func() {
			resp, err := http.DefaultClient.Do(d.request(t, http.MethodPost, path, large(i), signed(large(i))...))
			if err != nil {
				codes <- 0
				return
			}
			codes <- resp.StatusCode
			_ = resp.Body.Close()
		}()
		<-keep.entered
	}
	if r := d.post(t, large(3), signed(large(3))...); r.code != 503 || r.Error.Code != "busy" || r.header.Get("Retry-After") == "" {
		t.Errorf("the fourth is answered %+v", r)
	}
	zip := zipped(t, body)
	if r := d.post(t, zip, append(signed(zip), "Content-Encoding", "gzip")...); r.code != 503 || r.Error.Code != "busy" {
		t.Errorf("one that is to be decoded is answered %+v", r)
	}
	// Senders that only announce large bodies use next to none of the budget.
	for range 4 {
		w := d.dial(t)
		w.head(fmt.Sprint("Content-Length: ", 256<<10), "Expect: 100-continue")
		if _, err := w.in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	close(keep.gate)
	for range 3 {
		if code := <-codes; code != 200 {
			t.Errorf("one in memory is answered %d", code)
		}
	}
	if r := d.post(t, large(3), signed(large(3))...); r.code != 200 {
		t.Errorf("when the budget is free again: %+v", r)
	}
}

func TestManySendersAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	const senders, each = 8, 25
	fails := make(chan error, senders)
	for i := range senders {
		go func() {
			for n := range each {
				text := fmt.Sprintf(`{"event":"x","data":{"id":%d}}`, i*each+n/2*2) // every body twice, but for the last
				resp, err := http.DefaultClient.Do(d.request(t, http.MethodPost, path, text, signed(text)...))
				if err != nil {
					fails <- err
					return
				}
				_ = resp.Body.Close()
				if resp.StatusCode != 200 {
					fails <- errors.New(resp.Status)
					return
				}
			}
			fails <- nil
		}()
	}
	for range senders {
		if err := <-fails; err != nil {
			t.Error(err)
		}
	}
	if got := len(d.keep.accepted); got != senders*(each+1)/2 {
		t.Errorf("stored %d", got)
	}
}
