package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
	"inbox/inbox/serve"
	"inbox/plugins/demo"
)

// rebuildRig is a server with one plugin that keeps state.
type rebuildRig struct {
	*testing.T
	dir    string
	hook   string // URL of the webhooks
	client *api.Client

	mu   sync.Mutex
	sent map[int]int // events by key
}

func newRebuildRig(t *testing.T) *rebuildRig {
	dir := t.TempDir()
	at, c, stop := startServer(t, serve.Options{}, map[string]string{"data": dir}, map[string]string{"INBOX_QOREID_SECRET": secret})
	t.Cleanup(stop)
	return &rebuildRig{T: t, dir: dir, hook: "http://" + at.Webhooks + "/webhooks/qoreid", client: c, sent: map[int]int{}}
}

func (r *rebuildRig) send(id int) {
	r.Helper()
	r.mu.Lock()
	r.sent[id]++
	n := r.sent[id]
	r.mu.Unlock()
	post(r.T, r.hook, bodyOf(id, n), secret, 200, "stored")
}

// release installs a release and waits until it is live.
func (r *rebuildRig) release(wasm, manifest string) {
	r.Helper()
	before := r.plugin()
	install(r.T, r.dir, "p.toml", "start_from = \"start\"\n"+manifest)
	install(r.T, r.dir, "p.wasm", wasm)
	inboxtest.Eventually(r.T, "the release is live", func() bool {
		p := r.plugin()
		return p.State == inbox.FileLive && p.Live != before.Live && p.Live == p.File
	})
}

func (r *rebuildRig) plugin() (p api.Plugin) {
	all, err := r.client.Plugins(context.Background())
	if err == nil && len(all) == 1 {
		p = all[0]
	}
	return p
}

func (r *rebuildRig) settled() {
	r.Helper()
	total := 0
	for _, n := range r.sent {
		total += n
	}
	inboxtest.Eventually(r.T, "everything is settled", func() bool {
		p := r.plugin()
		return p.Cursor == int64(total) && p.Retrying+p.Ready == 0
	})
}

// events returns the count in the document of a key.
func (r *rebuildRig) events(id int) int {
	r.Helper()
	s, err := r.client.State(r.Context(), "p", fmt.Sprintf("qoreid/workflow/%d", id), api.StateQuery{Reveal: api.Reveal{On: true}})
	if err != nil {
		r.Fatal(err)
	}
	var doc struct {
		Events int `json:"events"`
	}
	if err := json.Unmarshal(s.Document, &doc); err != nil {
		r.Fatal(err)
	}
	return doc.Events
}

// wrong is a plugin with a bug: it keeps the same document after every event.
func wrong() string { return string(inboxtest.Says(`{"outcome":"ok","state":{"events":99}}`)) }

// A plugin with a bug wrote wrong documents. A corrected release folds them again while events go on arriving, and no event is counted
// twice or not at all.
func TestARebuildCorrectsTheStateWhileEventsArrive(t *testing.T) {
	t.Parallel()
	r := newRebuildRig(t)
	r.release(wrong(), "")
	for i := range 60 {
		r.send(i % 7)
	}
	r.settled()
	if n := r.events(3); n != 99 {
		t.Fatalf("the document has %d events", n)
	}
	r.release(string(demo.Wasm()), "")
	stop, more := make(chan struct{}), make(chan struct{}, 1)
	var sending sync.WaitGroup
	for first := range 4 {
		sending.Go(func() {
			for i := first; ; i++ {
				select {
				case <-stop:
					return
				default:
					r.send(i % 7)
				}
				select {
				case more <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 4 {
		<-more
		out, err := r.client.Rebuild(t.Context(), "p", api.RebuildRequest{All: true, Reason: "a bug"})
		if err != nil || out.Events < 60 || out.Lanes != 7 {
			t.Errorf("%+v, %v", out, err)
		}
	}
	close(stop)
	sending.Wait()
	r.settled()
	for id, n := range r.sent {
		if got := r.events(id); got != n {
			t.Errorf("the document of %d counts %d events of %d", id, got, n)
		}
	}
	log, err := r.client.Audit(t.Context(), inbox.AuditFilter{Action: "rebuild"})
	if err != nil || len(log) != 4 || log[0].Reason != "a bug" {
		t.Errorf("the audit log: %+v %v", log, err)
	}
	inboxtest.Check(t, openStore(t, r.dir))
}

// A file that is refused for the loss of its manifest is not run by a rebuild, although its state_version is lower too: it would see data
// that the manifest withheld.
func TestARebuildDoesNotRunAFileWithoutItsManifest(t *testing.T) {
	t.Parallel()
	r := newRebuildRig(t)
	r.release(string(demo.Wasm()), "state_version = 2\n[data]\nfields = [\"/data/id\"]\n")
	r.send(1)
	r.settled()
	live := r.plugin().Live
	if err := os.Remove(filepath.Join(r.dir, "plugins", "p.toml")); err != nil {
		t.Fatal(err)
	}
	inboxtest.Eventually(t, "the file is refused", func() bool {
		p := r.plugin()
		return p.State == inbox.FileRefused && strings.Contains(p.Error, "p.toml is missing")
	})
	if out, err := r.client.Rebuild(t.Context(), "p", api.RebuildRequest{All: true}); err != nil || out.Release != live {
		t.Errorf("%+v, %v; the live release is %s", out, err, live)
	}
}

// A rebuild whose fold fails, or whose client goes away, changes nothing.
func TestARebuildThatFailsKeepsTheState(t *testing.T) {
	t.Parallel()
	r := newRebuildRig(t)
	r.release(wrong(), "")
	r.send(1)
	r.settled()
	r.release(guest(t, "trap"), "")
	if _, err := r.client.Rebuild(t.Context(), "p", api.RebuildRequest{All: true}); err == nil || !strings.Contains(err.Error(), "with trap") {
		t.Errorf("a failing fold: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.client.Rebuild(ctx, "p", api.RebuildRequest{All: true}); err == nil {
		t.Error("a client that is gone got an answer")
	}
	if n := r.events(1); n != 99 {
		t.Errorf("the document has %d events", n)
	}
}

// The first documents of a plugin are those of a rebuild. The next event continues them.
func TestTheFirstDocumentsOfAPluginMayBeRebuilt(t *testing.T) {
	t.Parallel()
	r := newRebuildRig(t)
	r.release(guest(t, "ok"), "")
	r.send(1)
	r.send(1)
	r.settled()
	r.release(string(demo.Wasm()), "")
	if out, err := r.client.Rebuild(t.Context(), "p", api.RebuildRequest{All: true}); err != nil || out.Changed != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	r.send(1)
	r.settled()
	if n := r.events(1); n != 3 {
		t.Errorf("the document counts %d events of 3", n)
	}
}
