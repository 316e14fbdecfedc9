package torture

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"inbox/inbox"
)

// Bounds of a server's life. They are wide, because machines are busy: what is measured is in the report.
const (
	startBound = 60 * time.Second
	stopBound  = 30 * time.Second
)

// server is a child process.
type server struct {
	cmd      *exec.Cmd
	began    time.Time
	webhooks string
	admin    string
	up       chan struct{} // closed when it listens, or has ended
	gone     chan struct{} // closed when it has ended
	err      error         // how, once gone
	happened bool          // the fault happened
	meant    string        // what its end was to be: killed, stopped, or nothing
	armed    bool          // it may end by itself, at a named point or for want of a disk

	mu  sync.Mutex
	log []string // its last lines
	bad []string // lines that must not be
}

// arms is how a server is started so that a fault can happen to it.
type arms struct {
	under []string // the program runs under another
	env   []string
	armed bool   // it may die at any moment
	admin string // where it listens for the operator; default: on its socket alone
	ill   bool   // it may fail to start, for want of a disk
}

// start starts the server on the store under torture and waits until it listens or has ended.
func (t *campaign) start(ctx context.Context, a arms) (*server, error) {
	command, args := "serve", []string(nil)
	if len(a.env) > 0 {
		command = tortured
	}
	for _, word := range a.under {
		args = append(args, strings.NewReplacer("DATA", t.data, "TRACE", filepath.Join(t.dir, "trace")).Replace(word))
	}
	args = append(args, t.opt.Exe, command, "--data", t.data, "--config", filepath.Join(t.data, "torture.toml"),
		"--listen", "127.0.0.1:0", "--admin", a.admin, "--min-free", "1 KiB", "--log-format", "json")
	s := &server{cmd: exec.Command(args[0], args[1:]...), up: make(chan struct{}), gone: make(chan struct{}), armed: a.armed}
	s.cmd.Env = append(os.Environ(), append(append(t.opt.Env, a.env...), "INBOX_QOREID_SECRET="+secret, "INBOX_TORTURE_SECRET="+secret)...)
	lines, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	s.began = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, inbox.Errorf(inbox.Unavailable, "start the server", "%w", err)
	}
	go s.hear(lines, t.world)
	timer := time.NewTimer(startBound)
	defer timer.Stop()
	select {
	case <-s.up:
	case <-timer.C:
		t.report.broke("law 5: the server did not come back within %s: %s", startBound, s.last())
		s.kill()
	case <-ctx.Done():
		s.kill()
	}
	if !s.ready() && !s.armed && !a.ill && ctx.Err() == nil {
		t.report.broke("law 5: the server did not come back by itself: %v: %s", s.err, s.last())
	}
	return s, nil
}

// hear reads what the server says until it ends, and waits for it.
func (s *server) hear(from io.Reader, w *world) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	up := sync.OnceFunc(func() { close(s.up) })
	for lines.Scan() {
		var line struct{ Msg, Webhooks, Admin, Plugin string }
		text := lines.Text()
		known := json.Unmarshal(lines.Bytes(), &line) == nil
		s.mu.Lock()
		s.log = append(s.log, text)
		s.log = s.log[max(0, len(s.log)-12):]
		if !known && (strings.Contains(text, "DATA RACE") || strings.HasPrefix(text, "panic:") || strings.HasPrefix(text, "fatal error:")) ||
			strings.Contains(line.Msg, "panicked") {
			s.bad = append(s.bad, text)
		}
		s.mu.Unlock()
		switch {
		case line.Msg == "ready":
			s.webhooks, s.admin = line.Webhooks, line.Admin
			up()
		case strings.HasPrefix(line.Msg, "plugin is on hold"):
			w.mu.Lock()
			w.holds[line.Plugin]++
			w.mu.Unlock()
		}
	}
	_, _ = io.Copy(io.Discard, from) // a line longer than the scanner takes
	s.err = s.cmd.Wait()
	close(s.gone)
	up()
}

func (s *server) ready() bool { return s.webhooks != "" }

func (s *server) alive() bool {
	select {
	case <-s.gone:
		return false
	default:
		return true
	}
}

// last returns the last lines the server said.
func (s *server) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, "\n")
}

// kill kills the server and waits until it is gone.
func (s *server) kill() {
	s.meant = "killed"
	_ = s.cmd.Process.Kill() // it may have ended already
	<-s.gone
}

// wait waits for the server's end, at most so long.
func (s *server) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.gone:
		return true
	case <-timer.C:
		return false
	}
}

// finish makes sure that the server has ended and as it should.
func (s *server) finish(t *campaign) {
	if s.meant == "" && s.alive() {
		s.kill()
	}
	<-s.gone
	if s.meant == "stopped" && s.err != nil {
		t.report.broke("law 5: a server that was told to stop ended with %v: %s", s.err, s.last())
	}
	if s.meant == "" && !s.armed {
		t.report.broke("law 5: the server ended by itself with %v: %s", s.err, s.last())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.bad {
		t.report.broke("the server said: %s", line)
	}
}

// stop tells the server to stop.
func (s *server) stop(t *campaign) {
	s.meant = "stopped"
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil && s.alive() {
		t.report.broke("cannot tell the server to stop: %v", err)
	}
	if !s.wait(stopBound) {
		t.report.broke("law 5: the server did not stop within %s: %s", stopBound, s.last())
		s.kill()
	}
}

// fate says how the server ended.
func (s *server) fate() string {
	how := "ended with 0"
	if s.err != nil {
		how = s.err.Error()
	}
	if s.happened {
		return "happened, " + how
	}
	return "did not happen, " + how
}

// run runs a command of the program on the store under torture, as an operator would.
func (t *campaign) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, t.opt.Exe, append(args, "--data", t.data)...)
	cmd.Env = append(os.Environ(), t.opt.Env...)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("inbox %s: %w: %s", strings.Join(args, " "), err, talk.String())
	}
	return out.Bytes(), nil
}
