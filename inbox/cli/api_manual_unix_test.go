//go:build unix

package cli

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
)

// calls returns the shell lines in docs/API.md.
func calls(t *testing.T) (lines []string) {
	t.Helper()
	for line := range strings.Lines(readText(t, "../../docs/API.md")) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") || strings.HasPrefix(line, "TOKEN=") {
			lines = append(lines, line)
		}
	}
	return lines
}

// keepState installs the plugin kyc, which keeps state per customer, and waits until it is live.
func (s *server) keepState() {
	s.Helper()
	module, err := os.ReadFile("../host/testdata/state_verified.wasm")
	if err != nil {
		s.Fatal(err)
	}
	for name, text := range map[string][]byte{"kyc.toml": []byte("key_by = \"customer_reference\"\n"), "kyc.wasm": module} {
		if err := os.WriteFile(filepath.Join(s.dir, "plugins", name), text, 0o600); err != nil {
			s.Fatal(err)
		}
	}
	inboxtest.Eventually(s, "the plugin is live", func() bool {
		return strings.Contains(s.inbox("plugin", "list", "-o", "json"), `"state":"live"`)
	})
}

// inbox runs a command on the server's data directory and returns its output.
func (s *server) inbox(args ...string) string {
	s.Helper()
	cmd := exec.Command(binary(s.T), append(args, "--data", s.dir)...)
	cmd.Env = s.cmd.Env
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.Fatalf("%q: %v: %s", args, err, out)
	}
	return string(out)
}

// TestTheCallsInTheManualOfTheAPISucceed runs them in a shell, against a real server with one event and one state document.
func TestTheCallsInTheManualOfTheAPISucceed(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	s := serveWith(t, func(*exec.Cmd) {})
	s.keepState()
	send := exec.Command(binary(t), "send", "workflow", "--set", "/data/customerReference=cust-1", "--to", s.url)
	send.Env = s.cmd.Env
	if out, err := send.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	inboxtest.Eventually(t, "the plugin keeps state", func() bool {
		return strings.Contains(s.inbox("state", "list", "-o", "json"), "cust-1")
	})
	here := strings.NewReplacer("127.0.0.1:8081", s.admin, "inbox-data", s.dir)
	token, tried := "", 0
	for _, line := range calls(t) {
		if strings.HasPrefix(line, "TOKEN=") {
			token = here.Replace(line) + "\n"
			continue
		}
		tried++
		if strings.Contains(line, "/stream") {
			s.streams(token + "exec " + here.Replace(line))
			continue
		}
		out, err := exec.Command("sh", "-ec", token+here.Replace(line)).CombinedOutput()
		if err != nil || !json.Valid(out) {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	if tried < 5 {
		t.Errorf("only %d calls were found", tried)
	}
	s.stops(15)
}

// streams runs a call to a stream until the first event arrives.
func (s *server) streams(line string) {
	s.Helper()
	cmd := exec.Command("sh", "-ec", line)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.Fatal(err)
	}
	var received []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if received = append(received, lines.Text()); strings.HasPrefix(lines.Text(), "data: {") {
			break
		}
	}
	if len(received) != 6 || received[1] != "id: 0" || received[3] != "id: 1" || received[4] != "event: event" {
		s.Errorf("%s: %q", line, received)
	}
	_ = cmd.Process.Kill()
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
}

func TestAllCallsInTheManualOfTheAPIExist(t *testing.T) {
	t.Parallel()
	described := string(api.OpenAPI)
	found := regexp.MustCompile("`(GET|POST) (/v1/[^`?]*)`").FindAllStringSubmatch(readText(t, "../../docs/API.md"), -1)
	for _, m := range found {
		_, operations, ok := strings.Cut(described, "\n  "+m[2]+":\n")
		operations, _, _ = strings.Cut(operations, "\n  /")
		if !ok || !strings.Contains(operations, "    "+strings.ToLower(m[1])+":") {
			t.Errorf("there is no %s %s", m[1], m[2])
		}
	}
	if len(found) < 20 {
		t.Errorf("only %d calls were found", len(found))
	}
}
