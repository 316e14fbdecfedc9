package serve_test

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/config"
	"inbox/inbox/inboxtest"
	"inbox/inbox/serve"
)

// startServer runs a server and returns its addresses, a client on its socket, and a function that stops it.
func startServer(t *testing.T, o serve.Options, flags map[string]string, env map[string]string) (serve.Addresses, *api.Client, func()) {
	t.Helper()
	for name, value := range map[string]string{"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "min-free": "1 KiB"} {
		if _, set := flags[name]; !set {
			flags[name] = value
		}
	}
	s, err := config.Load(config.Inputs{File: os.DevNull, Flags: flags, Getenv: func(name string) string { return env[name] }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan serve.Addresses, 1), make(chan error, 1)
	o.Hooks.Cache = cmp.Or(o.Hooks.Cache, inboxtest.CompileCache())
	o.Log, o.Version, o.Ready = slog.New(slog.DiscardHandler), "v1", func(a serve.Addresses) { ready <- a }
	go func() { ended <- serve.Run(ctx, s, o) }()
	var at serve.Addresses
	select {
	case at = <-ready:
	case err := <-ended:
		cancel()
		t.Fatalf("the server did not start: %v", err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", at.Socket)
	}
	return at, &api.Client{HTTP: &http.Client{Transport: &http.Transport{DialContext: dial}}, Base: "http://socket"}, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server: %v", err)
		}
	}
}

func guest(t *testing.T, name string) string {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("../host/testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return string(wasm)
}

func reasons(t *testing.T, c *api.Client) (list []string) {
	t.Helper()
	st, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range st.Reasons {
		list = append(list, r.Message)
	}
	return list
}

func TestUnusualOptionsOfAServerAreReportedAsNotes(t *testing.T) {
	t.Parallel()
	_, c, stop := startServer(t, serve.Options{NoSecret: true, Paused: true}, map[string]string{"data": t.TempDir()}, nil)
	defer stop()
	got := reasons(t, c)
	for _, want := range []string{"everything is paused: the server was started with --paused", "source qoreid has no secret: all its requests are quarantined"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not among %q", want, got)
		}
	}
	if _, err := c.ResumeAll(t.Context(), api.ActionRequest{}); err != nil {
		t.Fatal(err)
	}
	if got := reasons(t, c); len(got) != 1 || !strings.Contains(got[0], "no secret") {
		t.Errorf("after it is resumed: %q", got)
	}
}

func TestAReleaseIsLoadedInspectedReplacedAndRolledBackInARunningServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, c, stop := startServer(t, serve.Options{}, map[string]string{"data": dir}, map[string]string{"INBOX_QOREID_SECRET": secret})
	defer stop()
	live := func(kind string) (d api.PluginDetail) {
		t.Helper()
		inboxtest.Eventually(t, "a "+kind+" is live", func() bool {
			var err error
			d, err = c.Plugin(t.Context(), "sink", "")
			return err == nil && d.Module != nil && d.Module.Kind == kind && d.State != inbox.FileCompiling
		})
		return d
	}
	install(t, dir, "sink.wasm", guest(t, "ok"))
	first := live("command")
	install(t, dir, "sink.wasm", guest(t, "session_ok"))
	second := live("session")
	if second.Live == first.Live || len(second.Releases) != 2 {
		t.Errorf("first %+v, second %+v", first, second)
	}
	if d, err := c.Plugin(t.Context(), "sink", first.Live); err != nil || d.Module == nil || d.Module.Kind != "command" {
		t.Errorf("a release that is not live: %+v, %v", d.Module, err)
	}
	if _, err := c.Plugin(t.Context(), "sink", "ffff"); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("an unknown release: %v", err)
	}
	if p, err := c.Rollback(t.Context(), "sink", api.Rollback{Reason: "a test"}); err != nil || p.Pinned != first.Live {
		t.Fatalf("%+v, %v", p, err)
	}
	if d := live("command"); d.Live != first.Live || d.State != inbox.FilePinned {
		t.Errorf("after the rollback the plugin is %+v", d.Plugin)
	}
	if err := os.Remove(filepath.Join(dir, "plugins", "sink.wasm")); err != nil {
		t.Fatal(err)
	}
	inboxtest.Eventually(t, "the plugin without its file is absent, and known", func() bool {
		all, err := c.Plugins(t.Context())
		return err == nil && len(all) == 1 && all[0].State == inbox.FileAbsent
	})
}

func TestASocketWithATooLongPathIsCreatedElsewhereAndRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	runtime := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	at, c, stop := startServer(t, serve.Options{}, map[string]string{"data": dir}, map[string]string{"INBOX_QOREID_SECRET": secret})
	if !strings.HasPrefix(at.Socket, runtime) {
		t.Errorf("the socket is %s", at.Socket)
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(at.Socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	stop()
	if left, err := os.ReadDir(runtime); err != nil || len(left) != 0 {
		t.Errorf("files remain: %v, %v", left, err)
	}
}

func TestAServerWithoutAnAdminAddressHasOnlyItsSocketAndHealthAddress(t *testing.T) {
	t.Parallel()
	at, c, stop := startServer(t, serve.Options{}, map[string]string{"data": t.TempDir(), "admin": "", "health": "127.0.0.1:0"}, map[string]string{"INBOX_QOREID_SECRET": secret})
	defer stop()
	if at.Admin != "" || at.Health == "" {
		t.Fatalf("%+v", at)
	}
	if st, err := c.Status(t.Context()); err != nil || !st.Serving {
		t.Errorf("%+v, %v", st, err)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/v1/status": 404, "/v1/events": 404, "/": 404} {
		resp, err := http.Get("http://" + at.Health + path)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close() != nil || resp.StatusCode != want {
			t.Errorf("%s is answered with %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// `inbox replay --now` runs a server without a listener for webhooks.
func TestAServerWithoutAWebhookListenerReceivesNothing(t *testing.T) {
	t.Parallel()
	at, c, stop := startServer(t, serve.Options{NoWebhooks: true}, map[string]string{"data": t.TempDir()}, map[string]string{"INBOX_QOREID_SECRET": secret})
	defer stop()
	if at.Webhooks != "" {
		t.Errorf("it listens at %s", at.Webhooks)
	}
	if st, err := c.Status(t.Context()); err != nil || st.Version != "v1" {
		t.Errorf("%+v, %v", st, err)
	}
}
