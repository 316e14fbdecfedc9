//go:build unix

package serve_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/qoreid"
	"inbox/plugins/demo"
)

// oracle records the sent bodies, and the seq of each body that was answered with 200.
type oracle struct {
	mu    sync.Mutex
	sent  map[string]bool
	acked map[string]int64 // body → seq
}

// These laws are checked after every kill, from the answers alone:
//  1. every body that was answered with 200 is in the log once, at the answered seq, byte for byte;
//  2. the log has no body that was not sent;
//  3. in the end every event is settled or dead, and the invariants of the store hold.
func TestKillsOfTheServerLoseNoAnsweredEvent(t *testing.T) {
	inboxtest.Long(t) // it kills a real server many times
	bin := filepath.Join(t.TempDir(), "inbox")
	if out, err := exec.Command("go", "build", "-o", bin, "inbox").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	install(t, dir, "demo.toml", "start_from = \"start\"\n[retry]\nbase = \"100ms\"\nmax = \"200ms\"\n")
	install(t, dir, "demo.wasm", string(demo.Wasm()))
	o := &oracle{sent: map[string]bool{}, acked: map[string]int64{}}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 7))
	for round := range 12 {
		at, cmd := spawn(t, bin, dir)
		ctx, cancel := context.WithCancel(context.Background())
		var senders sync.WaitGroup
		for w := range 8 {
			senders.Go(func() { o.flood(ctx, at, round, w) })
		}
		enough := o.answered() + 10 + rnd.IntN(150)
		inboxtest.Eventually(t, "bodies are answered", func() bool { return o.answered() >= enough })
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // the error of a killed process
		cancel()
		senders.Wait()
		db := openStore(t, dir)
		o.check(t, db)
	}
	if len(o.acked) < 100 {
		t.Errorf("only %d bodies were answered: the test checked too little", len(o.acked))
	}
	_, cmd := spawn(t, bin, dir)
	db := openStore(t, dir)
	inboxtest.Eventually(t, "everything is settled", func() bool {
		p, err := db.Plugins(context.Background())
		return err == nil && len(p) == 1 && p[0].Behind == 0 && p[0].Retrying+p[0].Ready == 0
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("an interrupted server ends with %v", err)
	}
	o.check(t, db)
	inboxtest.Check(t, db)
}

// spawn starts the real program and returns the URL of its webhooks.
func spawn(t *testing.T, bin, dir string) (string, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(bin, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--admin", "", "--min-free", "1 KiB", "--log-format", "json")
	cmd.Env = append(os.Environ(), "INBOX_QOREID_SECRET="+secret)
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(logs)
	var log []string
	for lines.Scan() {
		log = append(log, lines.Text())
		var line struct{ Msg, Webhooks string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			go func() {
				for lines.Scan() { // so that the pipe does not fill
				}
			}()
			return "http://" + line.Webhooks + "/webhooks/qoreid", cmd
		}
	}
	t.Fatalf("the server did not start: %s", strings.Join(log, "\n"))
	return "", nil
}

// answered returns the number of bodies answered with 200.
func (o *oracle) answered() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.acked)
}

// flood sends bodies, some of them twice, until ctx is done or the server is gone.
func (o *oracle) flood(ctx context.Context, url string, round, worker int) {
	for n := 0; ctx.Err() == nil; n++ {
		body := fmt.Sprintf(`{"event":"workflow","event_type":"step_verification_completed","data":{"id":%d,"n":"%d/%d/%d"}}`, n%5, round, worker, n/2*2)
		o.mu.Lock()
		o.sent[body] = true
		o.mu.Unlock()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header.Set(qoreid.DefaultHeader, qoreid.Sign("", []byte(secret), []byte(body)))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return
		}
		var receipt inbox.Receipt
		err = json.NewDecoder(resp.Body).Decode(&receipt)
		resp.Body.Close()
		if err == nil && resp.StatusCode == http.StatusOK {
			o.mu.Lock()
			o.acked[body] = receipt.Seq
			o.mu.Unlock()
		}
	}
}

// reader has the methods of a store that the oracle uses.
type reader interface {
	EventsAfter(ctx context.Context, after int64, limit int) ([]inbox.Event, error)
	Payload(ctx context.Context, seq int64) (inbox.Payload, error)
}

func (o *oracle) check(t *testing.T, db reader) {
	t.Helper()
	events, err := db.EventsAfter(context.Background(), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]int64{}
	for _, e := range events {
		p, err := db.Payload(context.Background(), e.Seq)
		if err != nil {
			t.Fatal(err)
		}
		body := string(bytes.Clone(p.Body))
		if was, twice := stored[body]; twice {
			t.Errorf("a body is stored twice: at %d and %d", was, e.Seq)
		}
		if stored[body] = e.Seq; !o.sent[body] {
			t.Errorf("seq %d was never sent", e.Seq)
		}
	}
	for body, seq := range o.acked {
		if stored[body] != seq {
			t.Errorf("a body was answered with seq %d, but is at %d (0: lost)", seq, stored[body])
		}
	}
}
