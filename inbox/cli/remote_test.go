package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
	"inbox/inbox/inboxtest"
	"inbox/inbox/operator"
	"inbox/inbox/store"
)

// idleControl is a server without plugins.
type idleControl struct{}

func (idleControl) Files(context.Context) ([]operator.File, error) { return nil, nil }

func (idleControl) Remove(context.Context, string, func() ([]string, error)) error { return nil }

func (idleControl) Changed(string) {}

func (idleControl) Halt(context.Context, string) {}

func (idleControl) Resume() {}

func (idleControl) Unsent(string) (why, hint string) { return "", "" }

// Notes returns none.
func (idleControl) Notes(context.Context) []string { return nil }

// remote serves the API of a store with n events. It returns a program with the address of the API in its environment.
func remote(t *testing.T, n int) (p *program, out, errs *bytes.Buffer, front *httptest.Server, s *store.Store) {
	t.Helper()
	s = inboxtest.Store(t, store.Options{})
	for i := range n {
		inboxtest.Accept(t, s, inboxtest.Body(i, 0))
	}
	front = httptest.NewServer(operator.RequireToken(operator.Gate{File: "sesame"}, operator.New(operator.Options{Store: s, Control: idleControl{}, Serving: true})))
	t.Cleanup(front.Close)
	p, out, errs = testProgram("")
	p.Getenv = func(name string) string {
		return map[string]string{"INBOX_URL": front.URL, "INBOX_TOKEN": "sesame"}[name]
	}
	return p, out, errs, front, s
}

func TestATableOnATerminalHas100RowsAndANoteThatThereMayBeMore(t *testing.T) {
	p, out, errs, _, _ := remote(t, 103)
	p.OutTerminal = true
	if code := p.run(t.Context(), []string{"event", "list"}); code != 0 {
		t.Fatal(code, errs)
	}
	if n := strings.Count(out.String(), "evt_"); n != 100 || errs.String() != "inbox: there may be more than these 100: --limit 0 shows all\n" {
		t.Errorf("%d rows, %q", n, errs)
	}
	for _, args := range [][]string{{"event", "list", "--limit", "0"}, {"event", "list", "-o", "ids"}, {"event", "list", "--limit=103"}} {
		out.Reset()
		errs.Reset()
		if code := p.run(t.Context(), args); code != 0 || strings.Count(out.String(), "evt_") != 103 || errs.Len() != 0 {
			t.Errorf("%q: %d, %d rows, %q", args, code, strings.Count(out.String(), "evt_"), errs)
		}
	}
	p.OutTerminal = false
	out.Reset()
	if code := p.run(t.Context(), []string{"event", "list"}); code != 0 || strings.Count(out.String(), "evt_") != 103 {
		t.Errorf("a table without a terminal has %d rows", strings.Count(out.String(), "evt_"))
	}
}

// cutter closes a stream after every event.
type cutter struct {
	next    http.Handler
	streams atomic.Int64
}

func (c *cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/events/stream" {
		c.next.ServeHTTP(w, r)
		return
	}
	c.streams.Add(1)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	c.next.ServeHTTP(&cutting{w, cancel}, r.WithContext(ctx))
}

type cutting struct {
	http.ResponseWriter
	cut func()
}

func (c *cutting) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	if bytes.HasPrefix(b, []byte("id: ")) {
		c.cut()
	}
	return n, err
}

func (c *cutting) FlushError() error { return http.NewResponseController(c.ResponseWriter).Flush() }

func TestATailContinuesAfterTheLastEventWhenTheServerRestarts(t *testing.T) {
	p, out, errs, _, s := remote(t, 2)
	cut := &cutter{next: operator.RequireToken(operator.Gate{File: "sesame"}, operator.New(operator.Options{Store: s, Control: idleControl{}}))}
	front := httptest.NewServer(cut)
	defer front.Close()
	ended := make(chan int, 1)
	go func() {
		ended <- p.run(t.Context(), []string{"event", "tail", "--url", front.URL, "--since", "2000-01-01", "--limit", "4", "-o", "ids"})
	}()
	inboxtest.Eventually(t, "the stream is open", func() bool { return cut.streams.Load() > 0 })
	third := inboxtest.Accept(t, s, inboxtest.Body(7, 1))
	inboxtest.Eventually(t, "the stream is open again", func() bool { return cut.streams.Load() > 1 })
	fourth := inboxtest.Accept(t, s, inboxtest.Body(7, 2))
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d: %s", code, errs)
	}
	lines := strings.Fields(out.String())
	if len(lines) != 4 || lines[2] != third.ID || lines[3] != fourth.ID {
		t.Errorf("the ids are %q", lines)
	}
	if !strings.Contains(errs.String(), "the server ended the stream; waiting to reconnect") {
		t.Errorf("the messages are %q", errs)
	}
}

func TestATailWithoutAServerEnds(t *testing.T) {
	p, _, errs, front, _ := remote(t, 0)
	front.Close()
	if code := p.run(t.Context(), []string{"event", "tail"}); code != console.ExitUnreachable {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestAnInterruptedCommandExitsWith130(t *testing.T) {
	p, _, _, _, _ := remote(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := p.run(ctx, []string{"event", "list"}); code != console.ExitInterrupted {
		t.Errorf("exit code %d", code)
	}
}

func TestTheTokenMayBeInAFile(t *testing.T) {
	p, _, errs, _, _ := remote(t, 1)
	if code := p.run(t.Context(), []string{"status", "--token", "@/nowhere"}); code != console.ExitUsage || !strings.Contains(errs.String(), "read the token") {
		t.Errorf("%d %q", code, errs)
	}
	if code := p.run(t.Context(), []string{"status", "--token", "wrong"}); code != console.ExitForbidden {
		t.Errorf("%d %q", code, errs)
	}
	if code := p.run(t.Context(), []string{"status", "--url", "ht tp://x"}); code != console.ExitUsage && code != console.ExitUnreachable {
		t.Errorf("%d %q", code, errs)
	}
}

func TestTheExitCodeOfAReplayReportsDeadAndWaitingRuns(t *testing.T) {
	r := api.Replay{Matched: 10, Parts: []api.ReplayPart{{OK: 3, Dead: 1, Pending: 1}, {OK: 2, Done: true}}}
	done, total, remark := replayProgress(&r)
	if done != 15 || total != 20 || remark != "1 failed" {
		t.Errorf("%d of %d, %q", done, total, remark)
	}
	r.Parts = nil
	if done, total, _ := replayProgress(&r); done != 0 || total != 10 {
		t.Errorf("%d of %d", done, total)
	}
	p, out, _ := testProgram("")
	for _, c := range []struct {
		replay api.Replay
		code   int
	}{
		{api.Replay{ID: 1, State: inbox.ReplayDone, Parts: []api.ReplayPart{{OK: 3}}}, 0},
		{api.Replay{ID: 1, State: inbox.ReplayDone, Parts: []api.ReplayPart{{OK: 3}, {Dead: 1}}}, 5},
		{api.Replay{ID: 1, State: inbox.ReplayDone, Parts: []api.ReplayPart{{Waiting: 2}}}, 5},
		{api.Replay{ID: 1, State: inbox.ReplayCancelled, Parts: []api.ReplayPart{{Dead: 1}}}, 0},
	} {
		if code := console.CodeOf(p.replayEnd(nil, &c.replay)); code != c.code {
			t.Errorf("%+v exits with %d", c.replay, code)
		}
	}
	if out.Len() == 0 {
		t.Error("the result of a replay is not shown")
	}
}

// until is a writer that calls seen when the written text contains text.
type until struct {
	bytes.Buffer
	text string
	seen func()
}

func (w *until) Write(b []byte) (int, error) {
	n, err := w.Buffer.Write(b)
	if strings.Contains(w.String(), w.text) {
		w.seen()
	}
	return n, err
}

func TestTheProgressOfAStalledReplayNamesTheReason(t *testing.T) {
	for reason, paused := range map[string]bool{
		"plugin crm: paused by an operator": true, "plugin crm has no file in the plugins folder": false,
	} {
		p, _, _, _, s := remote(t, 3)
		actor := inbox.Actor{Name: "test"}
		job := inbox.Replay{Plugins: []string{"crm"}}
		err := s.Register(t.Context(), "crm", inbox.StartFrom{})
		if err == nil {
			err = s.SetPaused(t.Context(), actor, "crm", paused)
		}
		if err == nil {
			err = s.CreateReplay(t.Context(), actor, &job)
		}
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		output := &until{text: "[........................] 0/3 · " + reason + "\n", seen: cancel}
		p.Err = output
		now := p.Now()
		p.Now = func() time.Time { now = now.Add(time.Second); return now }
		code := p.run(ctx, []string{"replay", "--attach", fmt.Sprint(job.ID)})
		if code != console.ExitInterrupted || !strings.Contains(output.String(), "--cancel 1 ends it") {
			t.Errorf("%d: %s", code, output)
		}
		cancel()
	}
}

func TestSampleEventsAreSentToARemoteLiveSourceOnlyWithLive(t *testing.T) {
	p, _, errs := testProgram("")
	env := map[string]string{"INBOX_QOREID_SECRET": "x"}
	p.Getenv = func(name string) string { return env[name] }
	for _, c := range []struct {
		to   []string
		code int
		want string
	}{
		{[]string{"--to", "http://192.0.2.1"}, 3, "source qoreid at 192.0.2.1 is live"},
		{[]string{"--to", "nowhere"}, 2, "not a URL"},
		{[]string{"--to", "http://127.0.0.1:1"}, 7, "is `inbox serve` running there?"},
		{[]string{"--to", "http://localhost:1/webhooks/qoreid"}, 7, "source qoreid is live"},
		{[]string{"--to", "http://[::1]:1", "--live"}, 7, "send to http://[::1]:1/webhooks/qoreid"},
		{[]string{"--count", "0"}, 2, "--count is 0"},
		{[]string{"--set", "x", "--to", "http://127.0.0.1:1"}, 2, "--set is"},
		{[]string{"--data", "not json", "--set", "/a=1"}, 2, "not JSON"},
	} {
		errs.Reset()
		if code := p.run(t.Context(), append([]string{"send", "workflow"}, c.to...)); code != c.code || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%q: %d %q", c.to, code, errs)
		}
	}
	env["INBOX_LISTEN"] = "0.0.0.0:1"
	errs.Reset()
	if p.run(t.Context(), []string{"send", "workflow"}); !strings.Contains(errs.String(), "http://127.0.0.1:1/webhooks/qoreid") {
		t.Errorf("an address that is any: %q", errs)
	}
}

func TestAFailedCheckOfTheStoreExitsWith5(t *testing.T) {
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, `{"problems":["broken invariant \"x\": seq 3"]}`)
	}))
	defer front.Close()
	p, out, errs := testProgram("")
	if code := p.run(t.Context(), []string{"db", "check", "--url", front.URL}); code != console.ExitIncomplete || !strings.Contains(out.String(), "seq 3") ||
		!strings.Contains(errs.String(), "1 problem was found") {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

func (idleControl) Permissions(context.Context, string, string) ([]inbox.Permission, error) {
	return nil, nil
}

func (idleControl) Manifest(context.Context, string) (*inbox.Manifest, error) { return nil, nil }
