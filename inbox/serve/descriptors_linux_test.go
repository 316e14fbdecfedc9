package serve_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"inbox/inbox/api"
	"inbox/inbox/qoreid"
)

// TestSendersCannotUseAllOpenFiles runs a server with a low limit of open files. Strangers open far more connections: idle ones, some
// with half a head, and some with half a body. Requests of honest senders and operators are still answered.
func TestSendersCannotUseAllOpenFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a real server with few files")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "inbox")
	if out, err := exec.Command("go", "build", "-o", bin, "inbox").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	cmd := exec.Command("sh", "-c", `ulimit -n 128; exec "$@"`, "sh", bin, "serve", "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0",
		"--admin", "127.0.0.1:0", "--min-free", "1 KiB", "--log-format", "json")
	cmd.Env = append(os.Environ(), "INBOX_QOREID_SECRET="+secret)
	at := launch(t, cmd)
	var strangers []net.Conn
	for i := range 400 {
		c, err := net.Dial("tcp", at.Webhooks)
		if err != nil {
			t.Fatal(err)
		}
		strangers = append(strangers, c)
		switch i % 4 { // every fourth connection sends nothing
		case 1:
			fmt.Fprint(c, "POST /webhooks/qoreid HTTP/1.1\r\nHost")
		case 2, 3:
			fmt.Fprintf(c, "POST /webhooks/qoreid HTTP/1.1\r\nHost: x\r\n%s: %s\r\nContent-Length: 100\r\n\r\nstops short", qoreid.DefaultHeader, strings.Repeat("0", 128))
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	for i := range 20 {
		body := fmt.Sprintf(`{"event":"address","data":{"id":%d}}`, i)
		tryPost(t, client, "http://"+at.Webhooks+"/webhooks/qoreid", body)
		if resp, err := client.Get("http://" + at.Admin + "/readyz"); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("the operator's address: %v, %v", resp, err)
		}
	}
	status := exec.Command(bin, "status", "--data", filepath.Join(dir, "data"), "-o", "json")
	text, err := status.Output()
	var st api.Status
	if err != nil || json.Unmarshal(text, &st) != nil || !st.Serving || st.Events != 20 {
		t.Errorf("the socket: %v, %s", err, text)
	}
	for _, c := range strangers {
		_ = c.Close()
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("an interrupted server ends with %v", err)
	}
}

// tryPost sends a webhook until it is stored. It retries after a closed connection or a 503.
func tryPost(t *testing.T, client *http.Client, url, body string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(qoreid.DefaultHeader, qoreid.Sign("", []byte(secret), []byte(body)))
		resp, err := client.Do(r)
		if err != nil {
			t.Logf("sent again: %v", err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
		t.Logf("sent again: %s", resp.Status)
	}
	t.Fatal("the webhook was not stored")
}

// launch starts a server and returns its addresses.
func launch(t *testing.T, cmd *exec.Cmd) (at struct{ Webhooks, Admin string }) {
	t.Helper()
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(logs)
	for lines.Scan() {
		var line struct{ Msg, Webhooks, Admin string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			go func() {
				for lines.Scan() { // so that the pipe does not fill
				}
			}()
			at.Webhooks, at.Admin = line.Webhooks, line.Admin
			return at
		}
		t.Log(lines.Text())
	}
	t.Fatal("the server did not start")
	return at
}
