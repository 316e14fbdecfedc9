package cli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"inbox/inbox/inboxtest"
)

// TestMain makes this test binary run as the program in scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"inbox": func() { os.Exit(Main()) }})
}

// TestScripts runs the scripts in testdata/script against the real program. Together they run every command, and many start a server.
// $GUESTS is a directory of hand-written plugins, one for every outcome.
func TestScripts(t *testing.T) {
	t.Parallel()
	guests, err := filepath.Abs("../host/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true, ContinueOnError: false,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, "GUESTS="+guests, "DEMO="+filepath.Join(guests, "../../../plugins/demo/demo.wasm"), "INBOX_QOREID_SECRET=whsec_inbox_test_1", "INBOX_MIN_FREE=1", "TZ=UTC",
				"GORACE=atexit_sleep_ms=0") // otherwise a program under the race detector waits a second before it exits
			for _, name := range []string{"INBOX_LISTEN", "INBOX_ADMIN", "SPARE"} {
				address, err := freeAddress()
				if err != nil {
					return err
				}
				e.Vars = append(e.Vars, name+"="+address)
			}
			e.Vars = append(e.Vars, "ASKS="+filepath.Join(e.WorkDir, "asks.wasm"), "CRM_TOKEN=hunter2")
			if err := os.WriteFile(filepath.Join(e.WorkDir, "asks.wasm"), inboxtest.Says(asks), 0o600); err != nil {
				return err
			}
			return os.MkdirAll(filepath.Join(e.WorkDir, "inbox-data", "plugins"), 0o700)
		},
		Condition: func(cond string) (bool, error) { // [long] is true in the long suite
			if cond != "long" {
				return false, fmt.Errorf("there is no condition %q", cond)
			}
			return inboxtest.LongRun(), nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"ready": ready, "eventually": eventually, "save": save, "get": get, "post": post, "appears": appears, "damage": damage, "exits": exits},
	})
}

// asks is the answer of the plugin $ASKS.
const asks = `{"outcome":"ok","http":[{"method":"POST","url":"http://127.0.0.1:9/hook?a=1&b","secrets":{"Authorization":"Bearer {{secret.token}}"},"body":{"name":"Ada"}}]}`

// ports counts the returned ports. They are below the ports that systems use for connections: a system may use a free port of that
// range for a connection at any moment.
var ports atomic.Int64

func freeAddress() (string, error) {
	const first, n = 10000, 20000
	for range n {
		address := fmt.Sprintf("127.0.0.1:%d", first+(int64(os.Getpid())*131+ports.Add(1))%n)
		if l, err := net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no address is free")
}

// poll calls ok until it returns true, for at most a minute, since the machine may be busy.
func poll(ts *testscript.TestScript, what string, ok func() bool) {
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			ts.Fatalf("after a minute still not: %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// ready waits until the server of the script accepts events.
func ready(ts *testscript.TestScript, _ bool, _ []string) {
	url := "http://" + ts.Getenv("INBOX_ADMIN") + "/readyz"
	poll(ts, "a server is ready", func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
}

// eventually repeats a command until its standard output matches a pattern.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	pattern := regexp.MustCompile(`(?m)` + args[0])
	poll(ts, strings.Join(args, " "), func() bool {
		_ = ts.Exec(args[1], args[2:]...) // its output is checked
		return pattern.MatchString(ts.ReadFile("stdout")) != neg
	})
}

// exits runs a command and fails unless it exits with the given code: `exits 2 inbox nonsense`.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code := 0
	var failed *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &failed) {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("%s exits with %d", strings.Join(args[1:], " "), code)
	}
}

// save stores a line of the last command's standard output in a variable: `save NAME 2` stores the second line.
func save(ts *testscript.TestScript, _ bool, args []string) {
	lines := strings.Split(ts.ReadFile("stdout"), "\n")
	n := 1
	if len(args) > 1 {
		_, err := fmt.Sscan(args[1], &n)
		ts.Check(err)
	}
	if n > len(lines) {
		ts.Fatalf("there are %d lines", len(lines))
	}
	ts.Setenv(args[0], strings.TrimSpace(lines[n-1]))
}

// get fetches a path of the admin address, or a URL, and fails unless the answer has the given status. It writes the answer to a
// file, if one is named: `get 200 /readyz answer`.
func get(ts *testscript.TestScript, _ bool, args []string) {
	url := args[1]
	if strings.HasPrefix(url, "/") {
		url = "http://" + ts.Getenv("INBOX_ADMIN") + url
	}
	resp, err := http.Get(url)
	ts.Check(err)
	defer resp.Body.Close()
	if fmt.Sprint(resp.StatusCode) != args[0] {
		ts.Fatalf("%s was answered %s", url, resp.Status)
	}
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if len(args) > 2 {
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), answer, 0o600))
	}
}

// post sends a file as an unsigned body, with the headers that follow: `post 401 URL body name=value`.
func post(ts *testscript.TestScript, _ bool, args []string) {
	body, err := os.Open(ts.MkAbs(args[2]))
	ts.Check(err)
	defer body.Close()
	r, err := http.NewRequest(http.MethodPost, args[1], body)
	ts.Check(err)
	for _, h := range args[3:] {
		name, value, _ := strings.Cut(h, "=")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer resp.Body.Close()
	if fmt.Sprint(resp.StatusCode) != args[0] {
		ts.Fatalf("%s was answered %s", args[1], resp.Status)
	}
}

// appears waits until a file matches a pattern.
func appears(ts *testscript.TestScript, _ bool, args []string) {
	poll(ts, "there is "+args[0], func() bool {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		return len(found) > 0
	})
}

// damage overwrites bytes in the middle of a file.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	text, err := os.ReadFile(path)
	ts.Check(err)
	for i := range 3000 {
		text[len(text)/2+i] ^= 0x5a
	}
	ts.Check(os.WriteFile(path, text, 0o600))
}
