package serve

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"inbox/inbox"
	"inbox/inbox/config"
	"inbox/inbox/datadir"
	"inbox/inbox/qoreid"
	"inbox/plugins/demo"
)

// demoPace is the default time between two events of the demo: slow enough to read along.
const demoPace = 1500 * time.Millisecond

// demoManifest starts the plugin at the first event, and retries a failed attempt soon enough to watch it.
const demoManifest = "start_from = \"start\"\n[retry]\nbase = \"3s\"\nmax = \"3s\"\n"

// runDemo runs the whole line: a temporary store, the embedded plugin, and a signed sample of every kind of event. It sends the
// samples one after another over HTTP, as QoreID does.
func runDemo(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "inbox-demo-")
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "make a directory for the demo", "%w", err)
	}
	defer os.RemoveAll(dir)
	if o.DemoPace == 0 {
		o.DemoPace = demoPace
	}
	if o.Command == "" {
		o.Command = "inbox"
	}
	secret := rand.Text()
	s, err := demoSettings(dir, secret)
	if err != nil {
		return fmt.Errorf("set up the demo: %w", err)
	}
	if err := layDemo(s.Plugins); err != nil {
		return err
	}
	var turn sync.Mutex // prints what was received before how it was delivered
	outer := ctx
	ctx, stop := context.WithCancel(outer)
	defer stop()
	say := func(format string, args ...any) {
		if _, err := fmt.Fprintf(o.Stdout, format+"\n", args...); err != nil {
			stop() // the reader of the output is gone
		}
	}
	say("inbox demo: a store, a plugin and sample events, all in %s until you stop it with Ctrl-C.", dir)
	say("")
	ready := make(chan Addresses, 1)
	o.Ready = func(a Addresses) { ready <- a }
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		select {
		case at := <-ready:
			say("webhooks are received at http://%s%s", at.Webhooks, s.Sources[0].Path)
			send(ctx, "http://"+at.Webhooks+s.Sources[0].Path, []byte(secret), o.DemoPace, &turn, say)
			turn.Lock()
			defer turn.Unlock()
			if ctx.Err() == nil {
				sayWhatNext(say, o.Command, s.Data)
			}
		case <-ctx.Done():
		}
	}()
	err = run(ctx, s, o, func(e *inbox.Event, a *inbox.Attempt) {
		turn.Lock()
		defer turn.Unlock()
		say("%s", tell(e, a))
	})
	stop()
	<-sent
	if outer.Err() == nil && errors.Is(err, context.Canceled) {
		return nil // the reader left before the server began
	}
	return err
}

// sayWhatNext prints commands that show what the demo stored.
func sayWhatNext(say func(string, ...any), program, data string) {
	say("")
	say("That was one of every kind. In another terminal, look at what is kept:")
	for _, command := range []string{"event list", "entity list", "plugin list", "replay --event workflow", "status"} {
		say("  %s %s --data %s", program, command, data)
	}
	say("Start your own with `%s serve`, and drop .wasm files into its plugins folder. Ctrl-C ends the demo.", program)
}

// demoSettings returns settings that use files in dir only. They ignore the configuration file and the environment.
func demoSettings(dir, secret string) (*config.Settings, error) {
	return config.Load(config.Inputs{
		File:  os.DevNull,
		Flags: map[string]string{"data": filepath.Join(dir, "data"), "plugins": filepath.Join(dir, datadir.Plugins), "listen": "127.0.0.1:0", "admin": "", "health": ""},
		Getenv: func(name string) string {
			if name == "INBOX_QOREID_SECRET" {
				return secret
			}
			return ""
		},
	})
}

func layDemo(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "demo.toml"), []byte(demoManifest), 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "demo.wasm"), demo.Wasm(), 0o600)
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "write the files of the demo", "%w", err)
	}
	return nil
}

// demoKinds returns every kind of event: first the lives, each from started to completed, and then the other layouts, which
// belong to other verifications. The first kind is there twice.
func demoKinds() []qoreid.Kind {
	kinds := qoreid.Kinds()
	slices.SortStableFunc(kinds, func(a, b qoreid.Kind) int {
		switch {
		case a.InLife() == b.InLife():
			return 0
		case a.InLife():
			return -1
		}
		return 1
	})
	return append(kinds[:1:1], kinds...)
}

// send sends a sample of every kind, and the first kind twice. It holds turn while it sends and prints.
func send(ctx context.Context, url string, secret []byte, every time.Duration, turn *sync.Mutex, say func(string, ...any)) {
	kinds := demoKinds()
	ids := map[string]int64{}
	pace := time.NewTicker(every)
	defer pace.Stop()
	for n, k := range kinds {
		about := k.Event
		if !k.InLife() {
			about = k.String()
		}
		id, known := ids[about]
		if !known {
			id = 1_000_000 + int64(n)
			ids[about] = id
		}
		body, err := qoreid.Sample(k, id, fmt.Sprintf("customer-%d", id))
		if err != nil {
			say("no sample of %s: %v", k, err)
			continue
		}
		turn.Lock()
		answer, err := post(ctx, url, secret, body)
		switch {
		case err == nil:
			say("  received %-40s answered %s", k, answer)
		case ctx.Err() == nil:
			say("sending %s: %v", k, err)
		}
		turn.Unlock()
		if err != nil {
			return
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
			return
		}
	}
}

// post sends one signed body and returns the answer.
func post(ctx context.Context, url string, secret, body []byte) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(qoreid.DefaultHeader, qoreid.Sign(qoreid.DefaultAlgorithm, secret, body))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, bytes.TrimSpace(text.Bytes())), nil
}

// tell returns a line about the outcome of an attempt.
func tell(e *inbox.Event, a *inbox.Attempt) string {
	what := e.View.Event
	if e.View.EventType != "" {
		what += " " + e.View.EventType
	}
	line := fmt.Sprintf("  delivered #%d %s to the plugin %s: ", e.Seq, what, a.Plugin)
	switch {
	case a.Fate == inbox.Again:
		return line + fmt.Sprintf("it said %q: %s. It will be retried; later events of %s wait, others continue", a.Result, a.Reason, e.View.Key)
	case a.Fate == inbox.Dead:
		return line + "it was rejected and is now a dead letter: see `inbox dead list`"
	case a.Number > 1:
		return line + fmt.Sprintf("%s at attempt %d, after %s. Its log: %s", a.Result, a.Number, a.Duration.Round(10*time.Microsecond), bytes.TrimSpace(a.Log))
	}
	return line + fmt.Sprintf("%s after %s. Its log: %s", a.Result, a.Duration.Round(10*time.Microsecond), bytes.TrimSpace(a.Log))
}
