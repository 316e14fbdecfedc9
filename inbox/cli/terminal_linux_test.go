package cli

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns the two ends of a terminal of 80 columns (see pty(7)).
func openTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudoterminals: ", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	fd := int(ours.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err == nil {
		theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		t.Skip("no pseudoterminals: ", err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}

// runOnTerminal runs a command on a terminal and returns its output.
func (s *server) runOnTerminal(args ...string) string {
	s.Helper()
	ours, theirs := openTerminal(s.T)
	cmd := exec.Command(binary(s.T), append(args, "--data", s.dir)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.Env = append(os.Environ(), "COLUMNS=")
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	if err := theirs.Close(); err != nil {
		s.Fatal(err)
	}
	text, _ := io.ReadAll(ours) // it ends with EIO when the other end is closed
	if err := cmd.Wait(); err != nil {
		s.Errorf("inbox %s: %v", strings.Join(args, " "), err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

func TestOnARealTerminalTablesFitAndWideShowsThemWhole(t *testing.T) {
	t.Parallel()
	s := serveWith(t, func(*exec.Cmd) {})
	send := exec.Command(binary(t), "send", "workflow", "--life", "--to", s.url)
	send.Env = s.cmd.Env
	if out, err := send.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, call := range []string{"event list", "entity list", "status", "event list --help"} {
		text := s.runOnTerminal(strings.Fields(call)...)
		if line, n := widest(text); n > 80 || text == "" {
			t.Errorf("inbox %s: %d columns: %q", call, n, line)
		}
	}
	if _, n := widest(s.runOnTerminal("event", "list", "--wide")); n <= 80 {
		t.Errorf("--wide has %d columns", n)
	}
	s.stops(syscall.SIGTERM)
}

func TestAServerStopsCleanlyWhenItsTerminalIsClosed(t *testing.T) {
	t.Parallel()
	ours, theirs := openTerminal(t)
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s := serveWith(t, func(c *exec.Cmd) {
		c.Stdin, c.Stdout, c.Stderr = theirs, theirs, log
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	})
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
	if log := readText(t, path); !strings.Contains(log, `"msg":"stopped"`) {
		t.Errorf("the server did not stop cleanly:\n%s", log)
	}
}
