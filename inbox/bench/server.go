package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// server is the program, serving in another process.
type server struct {
	cmd     *exec.Cmd
	address string
	log     strings.Builder
	began   time.Time
}

// serve starts the program on a directory. It does not wait until it listens.
func (l *lab) serve(ctx context.Context, dir string) (*server, error) {
	if l.opt.Self == "" {
		return nil, errSkipped("it starts the program as a server and has no path of it")
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &server{address: "127.0.0.1:" + port}
	s.cmd = exec.CommandContext(ctx, l.opt.Self, "serve", "--data", dir, "--listen", s.address, "--admin", "")
	s.cmd.Env = append(os.Environ(), "INBOX_QOREID_SECRET="+secret)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(os.Interrupt) }
	s.cmd.WaitDelay = 20 * time.Second
	s.began = time.Now()
	return s, s.cmd.Start()
}

// freePort returns a port that was free a moment ago.
func freePort() (string, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// ready sends a webhook until it is answered 200. It returns the time since the start of the program.
func (s *server) ready(ctx context.Context, request [][]byte) (seconds float64, err error) {
	deadline := time.After(time.Minute)
	for {
		_, _, err := drive(ctx, s.address, request, nil)
		if err == nil {
			return time.Since(s.began).Seconds(), nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-deadline:
			return 0, errors.Join(fmt.Errorf("the server did not answer within a minute: %w", err), s.stop())
		}
	}
}

// resident returns the largest resident memory of the server so far, in millions of bytes (proc_pid_status(5)).
func (s *server) resident() (float64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, errSkipped("the system does not report the memory of a process: " + err.Error())
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilo, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(n), "kB")), 64)
			return kilo * 1024 / 1e6, err
		}
	}
	return 0, errSkipped("the system does not report the largest memory of a process")
}

// stop stops the server and waits for it.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("the server ended with %w: %s", err, s.log.String())
	}
	return nil
}

// memoryUnderLoad measures the program's memory while it gets requests at the full rate.
func memoryUnderLoad(_ context.Context, l *lab) (comparison, error) {
	list := requests(0, l.scale(100_000))
	return comparison{round: func(ctx context.Context) error {
		dir, err := l.newDir()
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		s, err := l.serve(ctx, dir)
		if err != nil {
			return err
		}
		if _, err := s.ready(ctx, list[:1]); err != nil {
			return err
		}
		_, _, err = drive(ctx, s.address, list[1:], nil)
		used, merr := s.resident()
		if err := errors.Join(err, merr, s.stop()); err != nil {
			return err
		}
		l.add("memory.load", used)
		return nil
	}}, nil
}
