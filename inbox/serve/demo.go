package serve

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
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

// Demo configures the demo.
type Demo struct {
	Output  io.Writer     // receives the text of the demo
	Command string        // name of this program in printed commands; default "inbox"
	Pace    time.Duration // time between two events; default demoPace
}

// demoPace is the default time between two events of the demo. A reader can follow the output at this pace.
const demoPace = 1500 * time.Millisecond

// demoManifest returns the manifest of the demo's plugin. The plugin starts at the first event and sees no bodies. Failed attempts are
// retried after three seconds, so that a reader sees it. Requests may go to one origin, which has a private address.
func demoManifest(origin string) string {
	return fmt.Sprintf(`start_from = "start"
[config]
receiver = %[2]q
[data]
fields = []
[retry]
base = "3s"
max = "3s"
[http]
private = [%[1]q]
`, origin, origin+"/passed")
}

// runDemo runs a server with a temporary store, the embedded plugin, and a receiver of the plugin's requests. It sends a signed sample
// of every kind of event, one after another over HTTP, as QoreID does.
func runDemo(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "inbox-demo-")
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "make a directory for the demo", "%w", err)
	}
	defer os.RemoveAll(dir)
	pace, command := cmp.Or(o.Demo.Pace, demoPace), cmp.Or(o.Demo.Command, "inbox")
	secret := rand.Text()
	s, err := demoSettings(dir, secret)
	if err != nil {
		return fmt.Errorf("set up the demo: %w", err)
	}
	to, err := startReceiver(pace)
	if err != nil {
		return err
	}
	defer to.close()
	if err := writeDemoPlugin(s.Plugins, to.origin()); err != nil {
		return err
	}
	var order sync.Mutex // so that the receipt of an event is printed before its delivery
	outer := ctx
	ctx, stop := context.WithCancel(outer)
	defer stop()
	say := func(format string, args ...any) {
		if _, err := fmt.Fprintf(o.Demo.Output, format+"\n", args...); err != nil {
			stop() // the output is closed
		}
	}
	say("inbox demo: a store, a plugin and sample events, all in %s until you stop it with Ctrl-C.", dir)
	say("The plugin counts the events of each verification in its state. When a workflow has passed, it sends a request to %s.", to.origin())
	say("")
	tale := newStory(say)
	o.Hooks.Run = tale.runner
	ready := make(chan Addresses, 1)
	o.Ready = func(a Addresses) { ready <- a }
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		select {
		case at := <-ready:
			url := "http://" + at.Webhooks + s.Sources[0].Path
			say("webhooks are received at %s", url)
			sendSamples(ctx, url, []byte(secret), pace, &order, say)
			tale.end(ctx, &order, func() { printNextSteps(say, command, s.Data) })
		case <-ctx.Done():
		}
	}()
	err = run(ctx, s, o, tale.watch(&order))
	stop()
	<-sent
	if outer.Err() == nil && errors.Is(err, context.Canceled) {
		return nil // the output was closed before the server started
	}
	return err
}

// printNextSteps prints commands that show the stored events.
func printNextSteps(say func(string, ...any), program, data string) {
	say("")
	say("That was one of every kind. In another terminal, look at the stored events:")
	for _, command := range []string{"event list", "entity list", "state list", "effect list", "replay --event workflow --on-top --effects send", "status"} {
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

func writeDemoPlugin(dir, origin string) error {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "demo.toml"), []byte(demoManifest(origin)), 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "demo.wasm"), demo.Wasm(), 0o600)
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "write the files of the demo", "%w", err)
	}
	return nil
}

// demoKinds returns every kind of event: first those in the life of a verification, from started to completed, and then the other
// layouts, which belong to other verifications. The first kind is repeated, as a duplicate.
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

// sendSamples sends a sample of every kind. It holds order while it sends one and prints the answer.
func sendSamples(ctx context.Context, url string, secret []byte, every time.Duration, order *sync.Mutex, say func(string, ...any)) {
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
		order.Lock()
		answer, err := post(ctx, url, secret, body)
		switch {
		case err == nil:
			say("  received %-40s answered %s", k, answer)
		case ctx.Err() == nil:
			say("sending %s: %v", k, err)
		}
		order.Unlock()
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
