//go:build unix

package serve_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/config"
	"inbox/inbox/dispatch"
	"inbox/inbox/inboxtest"
	"inbox/inbox/serve"
)

// Environment variables of a server in its own process.
const (
	envChild  = "INBOX_TEST_SERVER" // the data directory
	envAction = "INBOX_TEST_ACTION" // PLUGIN:ACTION, the effect of an attempt of the plugin: "die" or "hang"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envChild); dir != "" {
		if err := child(dir, os.Getenv(envAction)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	inboxtest.RemoveCompileCache()
	os.Exit(code)
}

// child serves until it is interrupted, or until an attempt kills it.
func child(dir, action string) error {
	s, err := config.Load(config.Inputs{
		File:  os.DevNull,
		Flags: map[string]string{"data": dir, "listen": "127.0.0.1:0", "admin": "", "min-free": "1 KiB"},
		Getenv: func(name string) string {
			return map[string]string{"INBOX_QOREID_SECRET": secret}[name]
		},
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o := serve.Options{Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)), Ready: func(a serve.Addresses) { fmt.Println("ready", a.Webhooks) }}
	o.Hooks.Run = func(run dispatch.Runner) dispatch.Runner {
		return func(ctx context.Context, w *inbox.Work) inbox.Outcome {
			d := w.Delivery
			switch action {
			case d.Plugin + ":die":
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			case "all:hang":
				fmt.Println("running", d.Plugin)
				<-ctx.Done()
				return inbox.Outcome{Interrupted: true}
			}
			return run(ctx, w)
		}
	}
	return serve.Run(ctx, s, o)
}

// process is a server in its own process.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	at   string // URL of the webhooks
	api  *api.Client
	out  *bufio.Scanner // standard output
	logs bytes.Buffer
}

// newProcess starts a server and waits until it is ready.
func newProcess(t *testing.T, dir, action string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), envChild+"="+dir, envAction+"="+action)
	p.cmd.Stderr = &p.logs
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	p.out = bufio.NewScanner(stdout)
	p.at = "http://" + p.readLine("ready ") + "/webhooks/qoreid"
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, "inbox.sock"))
	}
	p.api = &api.Client{HTTP: &http.Client{Transport: &http.Transport{DialContext: dial}}, Base: "http://socket"}
	return p
}

// readLine waits for a line with a prefix on standard output and returns the rest of the line.
func (p *process) readLine(prefix string) string {
	p.t.Helper()
	for p.out.Scan() {
		if rest, ok := strings.CutPrefix(p.out.Text(), prefix); ok {
			return rest
		}
	}
	_ = p.cmd.Wait()
	p.t.Fatalf("the server ended without writing %q:\n%s", prefix, p.logs.String())
	return ""
}

// dies waits until the process is killed, and fails the test if it ends otherwise.
func (p *process) dies() {
	p.t.Helper()
	for p.out.Scan() {
	}
	err := p.cmd.Wait()
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); err == nil || !ok || status.Signal() != syscall.SIGKILL {
		p.t.Fatalf("the server was not killed, but ended with %v:\n%s", err, p.logs.String())
	}
}

func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	p.dies()
}

func (p *process) stops() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	for p.out.Scan() {
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("an interrupted server ends with %v:\n%s", err, p.logs.String())
	}
}

func (p *process) plugin(name string) api.Plugin {
	p.t.Helper()
	all, err := p.api.Plugins(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(x api.Plugin) bool { return x.Name == name })
	if i < 0 {
		return api.Plugin{}
	}
	return all[i]
}

func (p *process) settled(name string, cursor int64) {
	p.t.Helper()
	inboxtest.Eventually(p.t, "plugin "+name+" has settled all events", func() bool {
		x := p.plugin(name)
		return x.Cursor == cursor && x.Retrying+x.Ready == 0
	})
}

func crashLoopDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bad", "good"} {
		install(t, dir, name+".toml", "start_from = \"start\"\n")
		install(t, dir, name+".wasm", guest(t, "ok"))
	}
	return dir
}

// A plugin that crashes the program would crash it after every start. Meanwhile webhooks are received and other plugins run.
func TestAPluginThatCrashesTheProgramIsFoundAndDisabled(t *testing.T) {
	t.Parallel()
	dir := crashLoopDir(t)
	p := newProcess(t, dir, "bad:die")
	post(t, p.at, addressBody(1), secret, 200, "stored")
	p.dies()
	for range 2 { // the event is still pending
		newProcess(t, dir, "bad:die").dies()
	}
	p = newProcess(t, dir, "bad:die") // after a pause the releases of the crash loop run one at a time
	post(t, p.at, addressBody(2), secret, 200, "stored")
	p.dies()
	if !strings.Contains(p.logs.String(), "they run one at a time") {
		t.Errorf("the log does not report a crash loop:\n%s", p.logs.String())
	}
	p = newProcess(t, dir, "bad:die")
	post(t, p.at, addressBody(3), secret, 200, "stored")
	p.settled("good", 3)
	if x := p.plugin("bad"); x.State != inbox.FileDisabled || x.Disabled == "" || x.Running > 0 || x.Cursor != 0 || !strings.Contains(x.Error, "ended while only this release") {
		t.Errorf("the plugin that crashed is %+v", x)
	}
	st, err := p.api.Status(t.Context())
	if err != nil || !slices.ContainsFunc(st.Reasons, func(r api.Reason) bool {
		return r.Code == "disabled" && r.Plugin == "bad" && strings.Contains(r.Hint, "inbox plugin resume bad")
	}) {
		t.Errorf("the status does not report it: %+v, %v", st.Reasons, err)
	}
	p.stops()
	p = newProcess(t, dir, "") // it would no longer crash the program, but stays disabled until an operator resumes it
	if x := p.plugin("good"); x.Disabled != "" {
		t.Errorf("%+v", x)
	}
	inboxtest.Eventually(t, "it is still disabled", func() bool { return p.plugin("bad").State == inbox.FileDisabled })
	if _, err := p.api.Act(t.Context(), "bad", "resume", api.ActionRequest{Reason: "mended"}); err != nil {
		t.Fatal(err)
	}
	p.settled("bad", 3)
	if x := p.plugin("bad"); x.Disabled != "" || x.State != inbox.FileLive {
		t.Errorf("after resume the plugin is %+v", x)
	}
	p.stops()
	inboxtest.Check(t, openStore(t, dir))
}

// killThreeTimes kills a server three times while both of its plugins run.
func killThreeTimes(t *testing.T, dir string) {
	t.Helper()
	for n := range 3 {
		p := newProcess(t, dir, "all:hang")
		if n == 0 {
			post(t, p.at, addressBody(1), secret, 200, "stored")
		}
		if first, second := p.readLine("running "), p.readLine("running "); first == second {
			t.Fatalf("%s runs twice", first)
		}
		p.kill()
	}
}

func TestReleasesThatSurviveAreClearedAfterThreeKills(t *testing.T) {
	inboxtest.Long(t) // it waits for several crash loops
	t.Parallel()
	dir := crashLoopDir(t)
	killThreeTimes(t, dir)
	p := newProcess(t, dir, "")
	inboxtest.Eventually(t, "both are in the crash loop", func() bool {
		return p.plugin("bad").State == inbox.FileCrashLoop && p.plugin("good").State == inbox.FileCrashLoop
	})
	p.settled("bad", 1)
	if x := p.plugin("good"); x.State != inbox.FileCrashLoop || x.Cursor != 0 {
		t.Errorf("two releases of the crash loop run at a time: the other is %+v", x)
	}
	p.settled("good", 1)
	for _, name := range []string{"bad", "good"} {
		if x := p.plugin(name); x.Disabled != "" || x.State != inbox.FileLive {
			t.Errorf("%+v", x)
		}
	}
	p.stops()
	if left, err := openStore(t, dir).CrashRecords(context.Background()); err != nil || len(left) > 0 {
		t.Errorf("after a clean stop the crash records are %+v, %v", left, err)
	}
}

// A crash while no release of the crash loop runs clears the loop.
func TestACrashWhileNoReleaseOfTheLoopRunsClearsTheLoop(t *testing.T) {
	t.Parallel()
	dir := crashLoopDir(t)
	killThreeTimes(t, dir)
	p := newProcess(t, dir, "")
	inboxtest.Eventually(t, "both are in the crash loop", func() bool {
		return p.plugin("bad").State == inbox.FileCrashLoop && p.plugin("good").State == inbox.FileCrashLoop
	})
	p.kill()
	p = newProcess(t, dir, "")
	p.settled("bad", 1)
	p.settled("good", 1)
	p.stops()
	if strings.Contains(p.logs.String(), "one at a time") {
		t.Errorf("there is still a crash loop:\n%s", p.logs.String())
	}
}

// A plugin that runs no attempt is not blamed for a crash of the program.
func TestAnIdlePluginIsNeverInACrashLoop(t *testing.T) {
	t.Parallel()
	dir := crashLoopDir(t)
	for range 4 {
		p := newProcess(t, dir, "")
		inboxtest.Eventually(t, "both are live", func() bool {
			return p.plugin("bad").State == inbox.FileLive && p.plugin("good").State == inbox.FileLive
		})
		p.kill()
	}
	if list, err := openStore(t, dir).CrashRecords(context.Background()); err != nil || len(list) > 0 {
		t.Errorf("crash records: %+v, %v", list, err)
	}
}
