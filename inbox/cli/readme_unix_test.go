//go:build unix

package cli

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"inbox/inbox/inboxtest"
)

// TestTheCommandsOfTheREADMESucceed runs the shell blocks of the README in a copy of the project, line by line in one
// shell. Only the addresses differ, since those in the README may be in use.
func TestTheCommandsOfTheREADMESucceed(t *testing.T) {
	inboxtest.Long(t) // it builds the program several times
	t.Parallel()
	sh := newShell(t)
	for _, line := range pasted(readText(t, "../../README.md")) {
		switch {
		case strings.HasSuffix(line, "serve --demo"):
			sh.demo(line)
		case line == "inbox serve":
			sh.must(line + " >server.log 2>&1 & server=$!")
			inboxtest.Eventually(t, "the server is ready", func() bool {
				resp, err := http.Get("http://" + sh.admin + "/readyz")
				return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
			})
		default:
			sh.must(strings.Replace(line, "'paste it here'", "whsec_inbox_test_1", 1))
		}
	}
	if bin, err := elf.Open(filepath.Join(sh.dir, "dist", "inbox")); runtime.GOOS == "linux" && (err != nil || slices.ContainsFunc(bin.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })) {
		t.Errorf("the program that the README builds is not static: %v", err)
	}
	inboxtest.Eventually(t, "the plugin that was built is live", func() bool {
		return strings.Contains(sh.must("inbox plugin list"), "hello\tlive")
	})
	if out := sh.must("inbox entity list -o ids"); !strings.HasPrefix(out, "qoreid/workflow/") {
		t.Errorf("the event that was sent is not listed: %q", out)
	}
	sh.must("kill -TERM $server; wait $server")
}

// shell is a shell in a copy of the project.
type shell struct {
	*testing.T
	dir, admin string
	env        []string
	in         io.Writer
	out        *bufio.Scanner
}

func newShell(t *testing.T) *shell {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	sh := &shell{T: t, dir: t.TempDir()}
	for _, name := range []string{"go.mod", "go.sum", "main.go", "inbox", "sdk", "plugins", "examples"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(sh.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	listen, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	if sh.admin, err = freeAddress(); err != nil {
		t.Fatal(err)
	}
	// With -trimpath builds contain no paths, so they come from the cache in every copy.
	sh.env = append(os.Environ(), "INBOX_LISTEN="+listen, "INBOX_ADMIN="+sh.admin, "INBOX_MIN_FREE=1", "GOFLAGS=-trimpath -buildvcs=false")
	cmd := exec.Command("sh")
	cmd.Dir, cmd.Env = sh.dir, sh.env
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = io.WriteString(in, "test -z \"$server\" || kill -TERM $server\nexit\n")
		_ = in.Close()
		_ = cmd.Wait() // the exit code of the last line is irrelevant
	})
	sh.in, sh.out = in, bufio.NewScanner(out)
	return sh
}

// must runs a line and returns its output. It ends the test if the line fails.
func (sh *shell) must(line string) string {
	sh.Helper()
	const end = "@@ended "
	if _, err := fmt.Fprintf(sh.in, "%s\necho \"%s$?\"\n", line, end); err != nil {
		sh.Fatal(err)
	}
	var output strings.Builder
	for sh.out.Scan() {
		code, ended := strings.CutPrefix(sh.out.Text(), end)
		if !ended {
			output.WriteString(sh.out.Text() + "\n")
			continue
		}
		if code != "0" {
			log, _ := os.ReadFile(filepath.Join(sh.dir, "server.log"))
			sh.Fatalf("%s: exit code %s\n%s\nthe server:\n%s", line, code, &output, log)
		}
		return output.String()
	}
	sh.Fatalf("%s: the shell ended\n%s", line, &output)
	return ""
}

// demo runs the demo until an event is delivered, and then interrupts it as a terminal does.
func (sh *shell) demo(line string) {
	sh.Helper()
	cmd := exec.Command("sh", "-c", "exec "+line)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = sh.dir, sh.env, &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		sh.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		sh.Fatal(err)
	}
	var output strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		output.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "delivered #") {
			if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
				sh.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) { // an interrupted go run has its own exit code
		sh.Fatal(err)
	}
	dir := regexp.MustCompile(`all in (\S+) until`).FindStringSubmatch(output.String())
	if dir == nil || strings.Contains(output.String(), "exit status") {
		sh.Fatalf("%s did not end cleanly:\n%s", line, &output)
	}
	if _, err := os.Stat(dir[1]); !errors.Is(err, os.ErrNotExist) {
		sh.Errorf("the demo left %s behind: %v", dir[1], err)
	}
}
