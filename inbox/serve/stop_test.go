package serve_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
	"inbox/inbox/qoreid"
	"inbox/inbox/serve"
)

// patience bounds the time of a stop in these tests. A stop needs up to six seconds and a supervisor allows eight, but the machine may
// be busy. A stop that hangs takes a minute or longer.
const patience = 30 * time.Second

const slowBody = `{"event":"address","event_type":"verification_started","data":{"id":1}}`

// startRequest sends the head of a signed request and waits until the server asks for its body. From then on the request is running.
func startRequest(t *testing.T, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "POST /webhooks/qoreid HTTP/1.1\r\nHost: x\r\n%s: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		qoreid.DefaultHeader, qoreid.Sign("", []byte(secret), []byte(slowBody)), len(slowBody))
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("%+v, %v", resp, err)
	}
	return c, r
}

func TestARunningRequestIsAnsweredWhenTheServerStops(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at, _, stop := startServer(t, serve.Options{Hooks: serve.Hooks{Grace: time.Minute}}, map[string]string{"data": dir}, map[string]string{"INBOX_QOREID_SECRET": secret})
	c, r := startRequest(t, at.Webhooks)
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	inboxtest.Eventually(t, "new connections are rejected", func() bool {
		other, err := net.Dial("tcp", at.Webhooks)
		return err != nil || other.Close() != nil
	})
	if _, err := c.Write([]byte(slowBody)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%+v, %v", resp, err)
	}
	if resp.Body.Close() != nil {
		t.Error("the answer is incomplete")
	}
	<-stopped
	if st, err := openStore(t, dir).Stats(context.Background()); err != nil || st.Events != 1 {
		t.Errorf("the answered event is not stored: %+v, %v", st, err)
	}
}

func TestAStalledSenderDoesNotDelayTheStopOfTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at, _, stop := startServer(t, serve.Options{}, map[string]string{"data": dir}, map[string]string{"INBOX_QOREID_SECRET": secret})
	c, r := startRequest(t, at.Webhooks)
	if _, err := c.Write([]byte(slowBody[:10])); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	stop()
	if elapsed := time.Since(start); elapsed > patience {
		t.Errorf("the stop took %s", elapsed)
	}
	if resp, err := http.ReadResponse(r, nil); err == nil && resp.StatusCode == http.StatusOK {
		t.Errorf("half of a body was answered with %s", resp.Status)
	}
	if st, err := openStore(t, dir).Stats(context.Background()); err != nil || st.Events != 0 {
		t.Errorf("half of a body is stored: %+v, %v", st, err)
	}
}

func TestAStreamEndsWhenTheServerStops(t *testing.T) {
	t.Parallel()
	at, c, stop := startServer(t, serve.Options{}, map[string]string{"data": t.TempDir()}, map[string]string{"INBOX_QOREID_SECRET": secret})
	seen, ended := make(chan api.Event, 1), make(chan error, 1)
	go func() {
		_, err := c.Stream(context.Background(), inbox.Filter{Since: time.Now().Add(-time.Hour)}, func(e api.Event) error { seen <- e; return nil })
		ended <- err
	}()
	post(t, "http://"+at.Webhooks+"/webhooks/qoreid", slowBody, secret, 200, "stored")
	if e := <-seen; e.Seq != 1 {
		t.Errorf("the stream shows %+v", e)
	}
	start := time.Now()
	stop()
	if err := <-ended; err != nil && !strings.Contains(err.Error(), "EOF") {
		t.Errorf("the stream ends with %v", err)
	}
	if elapsed := time.Since(start); elapsed > patience {
		t.Errorf("the stop took %s", elapsed)
	}
}

// A running attempt may end within its grace. Then it is cancelled, and not counted.
func TestALongAttemptIsCancelledAndNotCountedWhenTheServerStops(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at, c, stop := startServer(t, serve.Options{}, map[string]string{"data": dir}, map[string]string{"INBOX_QOREID_SECRET": secret})
	install(t, dir, "loop.toml", "start_from = \"start\"\n[limits]\ntime = \"60s\"\n")
	install(t, dir, "loop.wasm", guest(t, "loop"))
	post(t, "http://"+at.Webhooks+"/webhooks/qoreid", slowBody, secret, 200, "stored")
	inboxtest.Eventually(t, "an attempt is running", func() bool {
		all, err := c.Plugins(t.Context())
		return err == nil && len(all) == 1 && all[0].Running == 1
	})
	start := time.Now()
	stop()
	if elapsed := time.Since(start); elapsed > patience {
		t.Errorf("the stop took %s", elapsed)
	}
	db := openStore(t, dir)
	tr, err := db.Trace(context.Background(), 1)
	if err != nil || len(tr.Deliveries) != 1 || tr.Deliveries[0].State != inbox.StatePending || len(tr.Deliveries[0].Attempts) != 0 {
		t.Errorf("%+v, %v", tr, err)
	}
	inboxtest.Check(t, db)
}
