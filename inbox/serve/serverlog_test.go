package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// logged is a log in memory.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wornOut is a listener whose first Accepts fail as with too many open files.
type wornOut struct {
	net.Listener
	fails int
}

func (w *wornOut) Accept() (net.Conn, error) {
	if w.fails > 0 {
		w.fails--
		return nil, &net.OpError{Op: "accept", Err: tooMany{}}
	}
	return w.Listener.Accept()
}

type tooMany struct{}

func (tooMany) Error() string   { return "too many open files" }
func (tooMany) Timeout() bool   { return false }
func (tooMany) Temporary() bool { return true }

func TestLinesOfTheHTTPServerAreLogEntries(t *testing.T) {
	t.Parallel()
	log := &logged{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &listeners{log: slog.New(slog.NewJSONHandler(log, nil))}
	s := d.add("admin", &wornOut{l, 2}, context.Background(), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic("a \x1b[2J\u202e fault\nof ours")
	}))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(d.nets[0]) }()
	if resp, err := http.Get("http://" + l.Addr().String()); err == nil {
		_ = resp.Body.Close()
		t.Error("a request whose handler panics is answered")
	}
	_ = s.Close()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	levels := map[string]int{}
	for text := range strings.Lines(log.String()) {
		var line struct{ Level, Msg, Listener, Problem string }
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if line.Listener != "admin" || strings.ContainsAny(line.Problem, "\x1b\u202e\n") {
			t.Errorf("%+v", line)
		}
		levels[line.Level]++
	}
	if levels["WARN"] != 2 || levels["ERROR"] != 1 {
		t.Errorf("logged %v: %s", levels, log)
	}
}
