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

// Bounds of a server's start and stop. They are large, because machines are busy. The report has the measured times.
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
	err      error         // of the process, once gone
	happened bool          // the fault happened
	meant    string        // the intended end: killed, stopped, or empty
	mayEnd   bool          // it may end by itself: at a named point, or because its disk fails
	log      serverLog
}

// serverLog is the part of a server's log that the report needs.
type serverLog struct {
	mu   sync.Mutex
	tail []string // the last 12 lines
	bad  []string // lines that break a law, such as a panic
}

// setup has the start options of a server for a fault.
type setup struct {
	wrapper      []string // a command that runs the program, such as strace
	env          []string
	mayEnd       bool   // the server may die at any moment
	admin        string // the operator's address; default: only the socket
	mayFailStart bool   // the server may fail to start, because its disk fails
}

// start starts the server on the store under torture and waits until it listens or has ended.
func (t *campaign) start(ctx context.Context, a setup) (*server, error) {
	command, args := "serve", []string(nil)
	if len(a.env) > 0 {
		command = tortured
	}
	for _, word := range a.wrapper {
		args = append(args, strings.NewReplacer("DATA", t.data, "TRACE", filepath.Join(t.dir, "trace")).Replace(word))
	}
	args = append(args, t.opt.Exe, command, "--data", t.data, "--config", filepath.Join(t.data, "torture.toml"),
		"--listen", "127.0.0.1:0", "--admin", a.admin, "--min-free", "1 KiB", "--log-format", "json")
	s := &server{cmd: exec.Command(args[0], args[1:]...), up: make(chan struct{}), gone: make(chan struct{}), mayEnd: a.mayEnd}
	s.cmd.Env = append(os.Environ(), append(append(t.opt.Env, a.env...), "INBOX_QOREID_SECRET="+secret, "INBOX_TORTURE_SECRET="+secret)...)
	lines, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	s.began = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, inbox.Errorf(inbox.Unavailable, "start the server", "%w", err)
	}
	go s.readLog(lines, t.history)
	timer := time.NewTimer(startBound)
	defer timer.Stop()
	select {
	case <-s.up:
	case <-timer.C:
		t.report.broke("law 5: the server did not start within %s: %s", startBound, s.last())
		s.kill()
	case <-ctx.Done():
		s.kill()
	}
	if !s.ready() && !s.mayEnd && !a.mayFailStart && ctx.Err() == nil {
		t.report.broke("law 5: the server did not start: %v: %s", s.err, s.last())
	}
	return s, nil
}

// readLog reads the server's log until the process has ended.
func (s *server) readLog(from io.Reader, w *history) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	up := sync.OnceFunc(func() { close(s.up) })
	for lines.Scan() {
		var line struct{ Msg, Webhooks, Admin, Plugin string }
		text := lines.Text()
		known := json.Unmarshal(lines.Bytes(), &line) == nil
		bad := !known && (strings.Contains(text, "DATA RACE") || strings.HasPrefix(text, "panic:") || strings.HasPrefix(text, "fatal error:")) ||
			strings.Contains(line.Msg, "panicked")
		s.log.add(text, bad)
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
	_, _ = io.Copy(io.Discard, from) // the rest after a line that is too long for the scanner
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

// last returns the last lines of the server's log.
func (s *server) last() string {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return strings.Join(s.log.tail, "\n")
}

func (l *serverLog) add(line string, bad bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, line)
	l.tail = l.tail[max(0, len(l.tail)-12):]
	if bad {
		l.bad = append(l.bad, line)
	}
}

// kill kills the server and waits until it has ended.
func (s *server) kill() {
	s.meant = "killed"
	_ = s.cmd.Process.Kill() // it may have ended already
	<-s.gone
}

// wait waits up to d for the server's end. It reports whether the server has ended.
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

// finish waits for the server's end, and reports an end that breaks a law.
func (s *server) finish(t *campaign) {
	if s.meant == "" && s.alive() {
		s.kill()
	}
	<-s.gone
	if s.meant == "stopped" && s.err != nil {
		t.report.broke("law 5: a server that was told to stop ended with %v: %s", s.err, s.last())
	}
	if s.meant == "" && !s.mayEnd {
		t.report.broke("law 5: the server ended by itself with %v: %s", s.err, s.last())
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	for _, line := range s.log.bad {
		t.report.broke("the server logged: %s", line)
	}
}

// stop tells the server to stop, and waits up to stopBound.
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

// ending describes whether the fault happened and how the server ended.
func (s *server) ending() string {
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
