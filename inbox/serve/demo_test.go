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

// output is a buffer that is safe for concurrent use.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *output) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(b)
}

func (w *output) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

func TestTheDemoShowsEveryKindOfEventReceivedAndDelivered(t *testing.T) {
	out := &output{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- serve.Run(ctx, nil, serve.Options{
			Demo: &serve.Demo{Output: out, Command: "./box", Pace: 5 * time.Millisecond}, Log: slog.New(slog.DiscardHandler),
		})
	}()
	kinds := qoreid.Kinds()
	// Every kind is sent once, and the first kind twice. Every stored event is settled; the demo's plugin retries some.
	inboxtest.Eventually(t, "all events are sent and settled", func() bool {
		text := out.String()
		return strings.Contains(text, "one of every kind") && strings.Count(text, ": ok ") == len(kinds)
	}) // the receiver's first answer is a failure, so the end of the samples waits for a retried request too
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the demo ends with %v", err)
	}
	text := out.String()
	for _, want := range []string{"will be retried", "ok at attempt 2", `"status":"duplicate"`, "./box event list --data ", "`./box serve`", "Ctrl-C"} {
		if !strings.Contains(text, want) {
			t.Errorf("the output lacks %q:\n%s", want, text)
		}
	}
	inOrder(t, text, `state of qoreid/workflow/1000010 is now {"events":1,"last":"verification_started"}`,
		`state of qoreid/workflow/1000010 is now {"events":4,"last":"verification_completed"}; it asks for POST http://127.0.0.1:`,
		"answer 503 Service Unavailable. It will be retried after 1s with the same Idempotency-Key", "answer 200 OK at try 2", "one of every kind",
		"./box state list --data ", "./box effect list --data ")
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

// inOrder reports the first text that does not follow the one before it.
func inOrder(t *testing.T, text string, wants ...string) {
	t.Helper()
	at := 0
	for _, want := range wants {
		n := strings.Index(text[at:], want)
		if n < 0 {
			t.Errorf("the output lacks %q, or has it too early:\n%s", want, text)
			return
		}
		at += n + len(want)
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestTheDemoEndsWhenItsOutputIsClosed(t *testing.T) {
	t.Parallel()
	err := serve.Run(t.Context(), nil, serve.Options{Demo: &serve.Demo{Output: closed{}}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Errorf("the demo ends with %v", err)
	}
}
