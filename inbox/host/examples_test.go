package host_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
)

func TestTheExamplesDoWhatTheySay(t *testing.T) { onEachEngine(t, testTheExamplesDoWhatTheySay) }

func testTheExamplesDoWhatTheySay(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	for name, one := range map[string]struct {
		build func(testing.TB) []byte
		want  map[inbox.Verdict]inbox.Result
		log   string // of an event that passed
	}{
		"plain-go": {func(t testing.TB) []byte { return buildGo(t, "inbox/examples/plain-go") },
			map[inbox.Verdict]inbox.Result{inbox.Passed: inbox.OK, inbox.Failed: inbox.OK}, "qoreid/address/1: passed"},
		"c":    {buildC, map[inbox.Verdict]inbox.Result{inbox.Passed: inbox.OK, inbox.Failed: inbox.Reject, inbox.Pending: inbox.OK}, ""},
		"rust": {buildRust, map[inbox.Verdict]inbox.Result{inbox.Passed: inbox.OK, inbox.Pending: inbox.Retry}, ""},
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
				// A verdict that is not the event's, and more than a first buffer holds.
				e, payload := event(verdict, `{"event":"address","data":{"verdict":"failed","photo":"`+strings.Repeat("A", 40_000)+`"}}`)
				doc, err := host.Document(e, payload, inbox.Delivery{Plugin: name, Seq: 5, Attempt: 1}, &m, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				out := p.Run(context.Background(), host.Call{Doc: doc, Seed: "x", ReceivedAt: e.ReceivedAt})
				if out.Result != want {
					t.Errorf("%s: %s (%s), want %s", verdict, out.Result, out.Reason, want)
				}
				if verdict == inbox.Passed && strings.TrimSpace(string(out.Log)) != one.log {
					t.Errorf("%s: its log says %q, want %q", verdict, out.Log, one.log)
				}
				if want == inbox.Retry && out.RetryAfter != 10*time.Minute {
					t.Errorf("comes again after %s", out.RetryAfter)
				}
			}
		})
	}
}
