package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox/inboxtest"
	"inbox/inbox/qoreid"
	"inbox/inbox/serve"
)

// told is the output of the demo so far.
type told struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *told) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(b)
}

func (w *told) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

func TestTheDemoShowsTheWholeLine(t *testing.T) {
	out := &told{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- serve.Run(ctx, nil, serve.Options{Demo: true, Command: "./box", DemoPace: 5 * time.Millisecond, Stdout: out, Log: slog.New(slog.DiscardHandler)})
	}()
	kinds := qoreid.Kinds()
	// Every kind once, the first of them twice, and each stored event settled; the demo's plugin retries some.
	inboxtest.Eventually(t, "everything was sent and settled", func() bool {
		text := out.String()
		return strings.Contains(text, "one of every kind") && strings.Count(text, ": ok ") == len(kinds)
	})
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the demo ends with %v", err)
	}
	text := out.String()
	for _, want := range []string{"will be retried", "ok at attempt 2", `"status":"duplicate"`, "./box event list --data ", "`./box serve`", "Ctrl-C"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	for seq := range kinds {
		received, delivered := strings.Index(text, fmt.Sprintf(`"seq":%d,`, seq+1)), strings.Index(text, fmt.Sprintf("delivered #%d ", seq+1))
		if received < 0 || delivered < received {
			t.Errorf("event %d is delivered before it is received:\n%s", seq+1, text)
		}
	}
	for _, k := range kinds {
		if !strings.Contains(text, "received "+k.String()) {
			t.Errorf("no %s was sent", k)
		}
	}
}

type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestTheDemoEndsWhenItsReaderIsGone(t *testing.T) {
	t.Parallel()
	err := serve.Run(t.Context(), nil, serve.Options{Demo: true, Stdout: gone{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Errorf("the demo ends with %v", err)
	}
}
