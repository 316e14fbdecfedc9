package host_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/document"
	"inbox/inbox/host"
	"inbox/plugins/demo"
)

func TestTheDemoPluginCountsInItsStateAndSendsARequestWhenAWorkflowHasPassed(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	m := inbox.Manifest{
		Config: map[string]string{"receiver": "http://127.0.0.1:9/passed"}, HTTP: inbox.HTTP{Private: []string{"http://127.0.0.1:9"}},
		Limits: inbox.Limits{Time: 20 * time.Second},
	}.WithDefaults(1)
	p, err := h.Compile(context.Background(), demo.Wasm(), &m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	// A body may contain what the plugin looks for: the state and the config are the last ones.
	const tricky = `{"x":{"state":{"events":70},"config":{"receiver":"http://127.0.0.1:8/"}}}`
	for name, c := range map[string]struct {
		before, after, request string
		verdict                inbox.Verdict
	}{
		"the first event":                {"", `{"events":1,"last":"verification_completed"}`, "", inbox.Failed},
		"a later event":                  {`{"events":8,"last":"x"}`, `{"events":9,"last":"verification_completed"}`, "", inbox.Failed},
		"an event of a workflow's start": {`{"events":1,"last":"x"}`, `{"events":2,"last":"verification_completed"}`, "", inbox.Pending},
		"a workflow that has passed": {
			`{"events":2,"last":"x"}`, `{"events":3,"last":"verification_completed"}`, `{"key":"qoreid/address/1","verdict":"passed","events":3}`, inbox.Passed,
		},
	} {
		e, payload := event(c.verdict, tricky)
		e.View.Event = "workflow"
		w := inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "demo", Seq: e.Seq, Attempt: 1}, Now: time.Now()}
		if c.before != "" {
			w.State.Document = []byte(c.before)
		}
		doc, err := document.New(&w, &m)
		if err != nil {
			t.Fatal(err)
		}
		out := p.Run(context.Background(), host.Call{Doc: doc, Seed: "x", ReceivedAt: e.ReceivedAt})
		if out.Result != inbox.OK || out.Effects == nil || out.Effects.State == nil || string(out.Effects.State.Document) != c.after {
			t.Errorf("%s: %s (%s), effects %+v", name, out.Result, out.Reason, out.Effects)
			continue
		}
		requests := out.Effects.Requests
		if c.request == "" && len(requests) > 0 || c.request != "" && (len(requests) != 1 ||
			requests[0].URL != "http://127.0.0.1:9/passed" || string(requests[0].Body) != c.request) {
			t.Errorf("%s: requests %+v", name, requests)
		}
	}
}

func TestTheDemoPluginLogsALineAndRetriesOneKindOfEvent(t *testing.T) {
	onEachEngine(t, testTheDemoPluginLogsALineAndHasOneKindOfEventTriedTwice)
}

func testTheDemoPluginLogsALineAndHasOneKindOfEventTriedTwice(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	m := inbox.Manifest{Engine: engine, Limits: inbox.Limits{Time: 20 * time.Second}}.WithDefaults(1)
	p, err := h.Compile(context.Background(), demo.Wasm(), &m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	// A body may contain the text that the plugin looks for.
	const tricky = `{"event":"employment","attempt":1,"x":[{"attempt":1,"replay":false}]}`
	for name, c := range map[string]struct {
		event string
		d     inbox.Delivery
		want  inbox.Result
	}{
		"any event":            {"workflow", inbox.Delivery{Attempt: 1}, inbox.OK},
		"employment":           {"employment", inbox.Delivery{Attempt: 1}, inbox.Retry},
		"employment again":     {"employment", inbox.Delivery{Attempt: 2}, inbox.OK},
		"employment as replay": {"employment", inbox.Delivery{Attempt: 1, Run: 3}, inbox.OK},
	} {
		e, payload := event(inbox.Passed, tricky)
		e.View.Event = c.event
		c.d.Plugin, c.d.Seq = "demo", e.Seq
		doc, err := document.New(&inbox.Work{Event: e, Payload: payload, Delivery: c.d, Now: time.Now()}, &m)
		if err != nil {
			t.Fatal(err)
		}
		out := p.Run(context.Background(), host.Call{Doc: doc, Seed: "x", ReceivedAt: e.ReceivedAt})
		line := c.event + " verification_completed of qoreid/address/1: passed\n"
		if out.Result != c.want || (out.Result == inbox.OK && string(out.Log) != line) {
			t.Errorf("%s: %s (%s), log %q", name, out.Result, out.Reason, out.Log)
		}
		if out.Result == inbox.Retry && !strings.Contains(out.Reason, "register") {
			t.Errorf("%s: %s", name, out.Reason)
		}
	}
	if out := p.Run(context.Background(), host.Call{Doc: []byte("hello")}); out.Result != inbox.Exit {
		t.Errorf("an invalid document: %s", out.Result)
	}
}
