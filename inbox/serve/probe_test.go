package serve_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
	"inbox/inbox/serve"
	"inbox/inbox/store"
	"inbox/plugins/demo"
)

// Bounds of the answer time and of an honest plugin's lag beside hostile plugins, on a fully loaded machine. QoreID waits for at least
// ten seconds.
const (
	maxAnswer = 10 * time.Second
	maxLag    = time.Minute
)

// probe is a server with hostile plugins and an honest plugin.
type probe struct {
	t         *testing.T
	dir       string
	at        serve.Addresses
	client    *api.Client
	store     *store.Store
	events    int
	outcomes  sync.Map // outcome of the first attempt, by plugin
	maxAnswer time.Duration
	maxLag    time.Duration // of the honest plugin
}

// TestHostilePluginsDelayNeitherAnswersNorAnHonestPlugin installs every guest of the corpus in a real server, a batch at a time, every
// third for the interpreter. Meanwhile it sends signed webhooks.
func TestHostilePluginsDelayNeitherAnswersNorAnHonestPlugin(t *testing.T) {
	inboxtest.Long(t) // it runs every guest of the corpus
	p := &probe{t: t, dir: t.TempDir()}
	at, client, stop := startServer(t, serve.Options{Hooks: serve.Hooks{Run: p.watch}}, map[string]string{"data": p.dir}, map[string]string{"INBOX_QOREID_SECRET": secret})
	p.at, p.client, p.store = at, client, openStore(t, p.dir)
	install(t, p.dir, "honest.wasm", string(demo.Wasm()))
	p.until("the honest plugin is live", func() bool { return p.states()["honest"] == inbox.FileLive })
	guests := inboxtest.Corpus(t, "../host/testdata")
	for batch := range slices.Chunk(guests, 40) {
		start := time.Now()
		p.batch(batch)
		t.Logf("%d guests, the first of them %s, after %s; %d webhooks so far", len(batch), batch[0].Name, time.Since(start), p.events)
	}
	stop()
	inboxtest.Check(t, p.store)
	t.Logf("%d guests, %d webhooks: the slowest was answered after %s, and settled by the honest plugin after %s",
		len(guests), p.events, p.maxAnswer, p.maxLag)
}

func engineOf(i int) inbox.Engine {
	if i%3 == 2 {
		return inbox.Interpreter
	}
	return inbox.Compiler
}

func nameOf(g inboxtest.Guest) string { return strings.ReplaceAll(g.Name, "/", "-") }

// batch installs guests as plugins until each is refused, or its first attempt has the expected outcome.
func (p *probe) batch(guests []inboxtest.Guest) {
	for i, g := range guests {
		install(p.t, p.dir, nameOf(g)+".toml", g.Manifest(engineOf(i)))
		install(p.t, p.dir, nameOf(g)+".wasm", string(g.Wasm))
	}
	p.until("all guests are live or refused", func() bool {
		p.send()
		states := p.states()
		return !slices.ContainsFunc(guests, func(g inboxtest.Guest) bool {
			s := states[nameOf(g)]
			return s != inbox.FileLive && s != inbox.FileRefused
		})
	})
	states := p.states()
	p.send()
	for i, g := range guests {
		want := g.On(engineOf(i))
		if (states[nameOf(g)] == inbox.FileRefused) != (want == inboxtest.Refused) {
			p.t.Errorf("the state of %s is %s, want the outcome %s", g.Name, states[nameOf(g)], want)
		} else if want != inboxtest.Refused {
			p.until(g.Name+" has an outcome", func() bool { _, ok := p.outcomes.Load(nameOf(g)); return ok })
			if got, _ := p.outcomes.Load(nameOf(g)); got != want {
				p.t.Errorf("the outcome of %s is %s, want %s", g.Name, got, want)
			}
		}
	}
	for _, g := range guests {
		if err := os.Remove(filepath.Join(p.dir, "plugins", nameOf(g)+".wasm")); err != nil {
			p.t.Fatal(err)
		}
	}
}

// until waits up to three minutes for a condition: some modules take long to compile.
func (p *probe) until(condition string, ok func() bool) {
	p.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(3 * time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			p.t.Fatalf("timeout: %s", condition)
		}
	}
}

func (p *probe) states() map[string]inbox.FileState {
	all, err := p.client.Plugins(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	states := map[string]inbox.FileState{}
	for _, x := range all {
		states[x.Name] = x.State
	}
	return states
}

// send sends a webhook, which must be answered in time and delivered to the honest plugin. It returns the seq.
func (p *probe) send() int64 {
	p.events++
	body := fmt.Sprintf(`{"event":"workflow","event_type":"verification_started","data":{"id":%d}}`, p.events)
	start := time.Now()
	post(p.t, "http://"+p.at.Webhooks+"/webhooks/qoreid", body, secret, http.StatusOK, fmt.Sprintf(`"seq":%d,`, p.events))
	answer := time.Since(start)
	seq := int64(p.events)
	p.until("the honest plugin has settled the event", func() bool {
		r, _, err := p.store.Load(context.Background(), "honest")
		return err == nil && r.Cursor >= seq
	})
	lag := time.Since(start)
	if answer > maxAnswer || lag > maxLag {
		p.t.Errorf("event %d was answered after %s, and settled by the honest plugin after %s", seq, answer, lag)
	}
	p.maxAnswer, p.maxLag = max(p.maxAnswer, answer), max(p.maxLag, lag)
	return seq
}

// watch records the outcome of the first attempt of each plugin.
func (p *probe) watch(run dispatch.Runner) dispatch.Runner {
	return func(ctx context.Context, w *inbox.Work) inbox.Outcome {
		d := w.Delivery
		out := run(ctx, w)
		p.outcomes.LoadOrStore(d.Plugin, out.Result)
		return out
	}
}
