//go:build unix

package cli

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"inbox/inbox/cli/console"
	"inbox/inbox/datadir"
	"inbox/inbox/inboxtest"
	"inbox/inbox/operator"
	"inbox/inbox/store"
)

// binary returns a path of this test binary at which it runs as the program.
func binary(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "inbox")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// server is a server in its own process.
type server struct {
	*testing.T
	cmd   *exec.Cmd
	ended chan error
	url   string // of its webhooks
	admin string // the address of its API
	dir   string
}

// serveWith starts a server and waits until it listens. set sets the streams of the process; wrap is a command that starts it.
func serveWith(t *testing.T, set func(*exec.Cmd), wrap ...string) *server {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	admin, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	args := append(wrap, binary(t), "serve", "--data", dir, "--listen", "127.0.0.1:0", "--admin", admin, "--log-level", "debug")
	s := &server{T: t, cmd: exec.Command(args[0], args[1:]...), ended: make(chan error, 1), admin: admin, dir: dir}
	s.cmd.Env = append(os.Environ(), "INBOX_QOREID_SECRET=whsec_inbox_test_1", "INBOX_MIN_FREE=1")
	set(s.cmd)
	// Children inherit an ignored SIGHUP, as under nohup. They do not inherit a handler.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	inboxtest.Eventually(t, "the server listens", func() bool {
		h, running := datadir.Holder(dir)
		s.url = "http://" + h.Webhooks + "/webhooks/qoreid"
		return running && h.Webhooks != ""
	})
	return s
}

// answers fails the test unless a probe is answered with 200 and an unsigned request with 401. The server logs unsigned requests.
func (s *server) answers(when string) {
	s.Helper()
	for body, want := range map[string]int{"": http.StatusOK, "{\"a\":1}": http.StatusUnauthorized} {
		resp, err := http.Post(s.url, "application/json", strings.NewReader(body))
		if err != nil {
			s.Fatalf("%s: %v", when, err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != want {
			s.Errorf("%s: %q is answered %s, %v", when, body, resp.Status, err)
		}
	}
}

// stops sends a signal and fails the test unless the server stops cleanly.
func (s *server) stops(sig syscall.Signal) {
	s.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.Fatal(err)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			s.Errorf("the server ended with %v", err)
		}
	case <-time.After(time.Minute):
		s.Error("the server does not stop")
	}
}

func TestAServerContinuesWhenTheReaderOfItsLogIsGoneOrStuck(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*os.File) error{"gone": (*os.File).Close, "stuck": func(*os.File) error { return nil }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			s := serveWith(t, func(c *exec.Cmd) { c.Stdout, c.Stderr = w, w })
			if err := errors.Join(w.Close(), leave(r)); err != nil {
				t.Fatal(err)
			}
			for range 400 { // lines of some 200 bytes, in total more than the buffer of a pipe
				s.answers(name)
			}
			s.stops(syscall.SIGTERM)
		})
	}
}

func TestAServerContinuesWhenTheDiskOfItsLogIsFull(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full")
	}
	defer full.Close()
	s := serveWith(t, func(c *exec.Cmd) { c.Stdout, c.Stderr = full, full })
	s.answers("with a full disk")
	s.stops(syscall.SIGTERM)
}

func TestSIGHUPChangesNothingWithoutATerminal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s := serveWith(t, func(c *exec.Cmd) { c.Stderr = log })
	for range 3 {
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	inboxtest.Eventually(t, "the signal is logged", func() bool { return strings.Contains(readText(t, path), "SIGHUP changes nothing") })
	s.answers("after SIGHUP")
	s.stops(syscall.SIGTERM)
	if text := readText(t, path); !strings.Contains(text, `"msg":"stopped"`) {
		t.Errorf("the server did not stop cleanly:\n%s", text)
	}
}

// TestEveryCommandWhoseOutputCannotBeWrittenFails writes the help of every command, and the output of commands without a store, to a
// full disk.
func TestEveryCommandWhoseOutputCannotBeWrittenFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full")
	}
	defer full.Close()
	calls := [][]string{{"--help"}, {"help"}, {"help", "event"}, {"version"}, {"version", "-o", "json"}, {"--version"}, {"config", "example"}, {"completion", "bash"}, {"send", "--list"},
		{"send", "--list", "-o", "json"}, {"send", "--list", "-o", "ids"}, {"event", "--help"}}
	for _, path := range leafPaths((&program{}).app().Commands) {
		calls = append(calls, append(path, "--help"))
	}
	if len(calls) < 40 {
		t.Fatalf("only %d calls were found", len(calls))
	}
	for _, call := range calls {
		p, _, errs := testProgram("")
		p.Out = &console.Output{To: full}
		if code := p.run(t.Context(), call); code != console.ExitFailed || !strings.Contains(errs.String(), "no space left on device") {
			t.Errorf("inbox %s exits with %d and the message %q", strings.Join(call, " "), code, errs)
		}
	}
}

// TestEveryCommandThatReadsTheStoreFailsWhenItsOutputCannotBeWritten runs each command in each of its formats.
func TestEveryCommandThatReadsTheStoreFailsWhenItsOutputCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full")
	}
	defer full.Close()
	s := inboxtest.Store(t, store.Options{})
	ids := storeMarked(t, s)
	front := httptest.NewServer(operator.RequireToken(operator.Gate{File: "sesame"}, operator.New(operator.Options{Store: s, Control: crmControl{}, Sources: testSources{}, Serving: true})))
	defer front.Close()
	run := func(to io.Writer, call []string) (code int, messages string) {
		p, _, errs := testProgram("")
		p.Out = &console.Output{To: to}
		p.Getenv = func(name string) string {
			return map[string]string{"INBOX_URL": front.URL, "INBOX_TOKEN": "sesame"}[name]
		}
		code = p.run(t.Context(), call)
		return code, errs.String()
	}
	failed := 0
	for _, call := range readCalls(ids) {
		for _, format := range []string{"table", "json", "jsonl", "ids"} {
			call := append(slices.Clone(call), "-o", format)
			var whole bytes.Buffer
			if code, _ := run(&whole, call); code == console.ExitUsage || whole.Len() == 0 {
				continue // the command has no such format, or no output
			}
			failed++
			if code, messages := run(full, call); code != console.ExitFailed || !strings.Contains(messages, "no space left on device") {
				t.Errorf("inbox %s exits with %d: %s", strings.Join(call, " "), code, messages)
			}
		}
	}
	if failed < 30 {
		t.Errorf("only %d calls were checked", failed)
	}
}

func TestAClosedPipeEndsACommandWithoutAMessage(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var messages bytes.Buffer
	c := exec.Command(binary(t), "config", "example")
	c.Stdout, c.Stderr = w, &messages
	err = c.Run()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || messages.Len() > 0 {
		t.Fatalf("%v, with the message %q", err, &messages)
	}
	if status, ok := ended.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGPIPE {
		t.Errorf("it ended with %v, not by SIGPIPE", ended)
	}
}

func TestUnderNohupSIGHUPStaysIgnored(t *testing.T) {
	t.Parallel()
	s := serveWith(t, func(*exec.Cmd) {}, "sh", "-c", `trap "" HUP; exec "$0" "$@"`)
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.answers("after SIGHUP")
	s.stops(syscall.SIGTERM)
}

func TestAServerStopsCleanlyWhenItReceivesSIGHUPOnATerminal(t *testing.T) {
	p, _, _ := testProgram("")
	p.InTerminal = true
	stopped := 0
	p.hangupAction(nil, func() { stopped++ })()
	if stopped != 1 {
		t.Errorf("the server was stopped %d times", stopped)
	}
}
