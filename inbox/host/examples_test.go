package host_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/document"
	"inbox/inbox/host"
	"inbox/inbox/qoreid"
)

func TestTheExamplesBehaveAsDocumented(t *testing.T) {
	onEachEngine(t, testTheExamplesBehaveAsDocumented)
}

func testTheExamplesBehaveAsDocumented(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	for name, one := range map[string]struct {
		build func(testing.TB) []byte
		want  map[inbox.Verdict]inbox.Result
		log   string // of an event that passed
	}{
		"plain-go": {func(t testing.TB) []byte { return buildGo(t, "inbox/examples/plain-go") },
			map[inbox.Verdict]inbox.Result{inbox.Passed: inbox.OK, inbox.Failed: inbox.OK}, "qoreid/address/1: passed"},
		"c":    {buildC, map[inbox.Verdict]inbox.Result{inbox.Passed: inbox.OK, inbox.Failed: inbox.OK, inbox.Pending: inbox.OK}, "verdict: passed"},
		"rust": {buildRust, map[inbox.Verdict]inbox.Result{inbox.Passed: inbox.OK, inbox.Failed: inbox.OK, inbox.Pending: inbox.Skip}, "verdict: passed"},
		"zig": {buildZig, map[inbox.Verdict]inbox.Result{inbox.Passed: inbox.OK, inbox.Failed: inbox.OK, inbox.Pending: inbox.Skip},
			"qoreid/address/1 of nobody: passed"},
		"assemblyscript": {buildAssemblyScript, map[inbox.Verdict]inbox.Result{inbox.Passed: inbox.OK, inbox.Failed: inbox.Skip}, "verdict: passed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := inbox.Manifest{Engine: engine, Limits: inbox.Limits{Time: 30 * time.Second}}.WithDefaults(1)
			p, err := h.Compile(context.Background(), one.build(t), &m)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close(context.Background())
			for verdict, want := range one.want {
				// The body contains another verdict, and more bytes than a first buffer holds.
				e, payload := event(verdict, `{"event":"address","data":{"verdict":"failed","photo":"`+strings.Repeat("A", 40_000)+`"}}`)
				doc, err := document.New(&inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: name, Seq: 5, Attempt: 1}, Now: time.Now()}, &m)
				if err != nil {
					t.Fatal(err)
				}
				out := p.Run(context.Background(), host.Call{Doc: doc, Seed: "x", ReceivedAt: e.ReceivedAt})
				if out.Result != want {
					t.Errorf("%s: %s (%s), want %s", verdict, out.Result, out.Reason, want)
				}
				if verdict == inbox.Passed && strings.TrimSpace(string(out.Log)) != one.log {
					t.Errorf("%s: its log is %q, want %q", verdict, out.Log, one.log)
				}
			}
		})
	}
}

// People copy examples. An example that rejects or retries a usual event of a verification would keep its later events waiting
// forever.
func TestNoExampleKeepsAVerificationWaiting(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for name, build := range map[string]func(testing.TB) []byte{
		"hello-go": func(t testing.TB) []byte { return buildGo(t, "inbox/examples/hello-go") },
		"plain-go": func(t testing.TB) []byte { return buildGo(t, "inbox/examples/plain-go") },
		"c":        buildC, "rust": buildRust, "zig": buildZig, "assemblyscript": buildAssemblyScript,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := inbox.Manifest{Limits: inbox.Limits{Time: 30 * time.Second}, Reuse: 100}.WithDefaults(1)
			p, err := h.Compile(context.Background(), build(t), &m)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close(context.Background())
			for i, k := range qoreid.Kinds() {
				for _, verdict := range []inbox.Verdict{inbox.Passed, inbox.Failed, inbox.Pending, inbox.Unknown} {
					body, err := qoreid.Sample(k, int64(i+1), "ref-1")
					if err != nil {
						t.Fatal(err)
					}
					e, payload := event(verdict, string(body))
					e.View, e.Late = qoreid.Read(body, qoreid.Rules{Source: "qoreid"}), i%2 == 0
					e.View.Verdict = verdict
					if out := p.Attempt(context.Background(), &inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: name, Seq: 5, Attempt: 1}, Now: e.ReceivedAt}); !out.Result.Settled() {
						t.Errorf("%s, %s: %s (%s)", k, verdict, out.Result, out.Reason)
					}
				}
			}
		})
	}
}

func TestTheExamplesRejectAndRetryAsDocumented(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	run := func(build func(testing.TB) []byte, doc string) inbox.Outcome {
		m := inbox.Manifest{Limits: inbox.Limits{Time: 30 * time.Second}}.WithDefaults(1)
		p, err := h.Compile(context.Background(), build(t), &m)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close(context.Background())
		return p.Run(context.Background(), host.Call{Doc: []byte(doc), Seed: "x"})
	}
	e, payload := event(inbox.Unknown, `{"a":1}`)
	e.View.Event = inbox.UnknownEvent
	doc, err := document.New(&inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "c", Seq: 5, Attempt: 1}, Now: e.ReceivedAt}, &inbox.Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	if out := run(buildC, string(doc)); out.Result != inbox.Reject {
		t.Errorf("c: %s (%s)", out.Result, out.Reason)
	}
	if out := run(buildRust, `{"v":2}`); out.Result != inbox.Retry || out.RetryAfter != 0 {
		t.Errorf("rust: %s (%s) after %s", out.Result, out.Reason, out.RetryAfter)
	}
}
