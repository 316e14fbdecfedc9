package serve_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"inbox/inbox/config"
	"inbox/inbox/inboxtest"
	"inbox/inbox/serve"
)

// serveLogged runs a server with one plugin and sends it an event. It stops the server once its log contains until, and returns the log.
func serveLogged(t *testing.T, dev bool, wasm, until string) string {
	t.Helper()
	dir, log := t.TempDir(), &output{}
	copyFile(t, "../host/testdata/"+wasm, filepath.Join(dir, "plugins", "mine.wasm"))
	s, err := config.Load(config.Inputs{
		File: os.DevNull, Flags: map[string]string{"data": dir, "listen": "127.0.0.1:0", "admin": "", "min-free": "1 KiB"},
		Getenv: func(name string) string { return map[string]string{"INBOX_QOREID_SECRET": secret}[name] },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan serve.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- serve.Run(ctx, s, serve.Options{
			Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), Dev: dev,
			Ready: func(a serve.Addresses) { ready <- a },
		})
	}()
	at := <-ready
	inboxtest.Eventually(t, "the plugin is live", func() bool { return strings.Contains(log.String(), "plugin is live") })
	post(t, "http://"+at.Webhooks+"/webhooks/qoreid", inboxtest.Body(1, 1), secret, 200, "stored")
	inboxtest.Eventually(t, "the log contains "+until, func() bool { return strings.Contains(log.String(), until) })
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return log.String()
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestWithDevAServerLogsEachAttemptsLogAndReason(t *testing.T) {
	t.Parallel()
	if log := serveLogged(t, true, "exit_65.wasm", "reason: exit code 65"); !strings.Contains(log, "plugin=mine") || !strings.Contains(log, "attempt=1") {
		t.Errorf("%s", log)
	}
	if log := serveLogged(t, true, "echo.wasm", `msg="| `); !strings.Contains(log, "plugin=mine") {
		t.Errorf("%s", log)
	}
}

func TestWithoutDevAServerLogsNeitherLogsNorReasons(t *testing.T) {
	t.Parallel()
	if log := serveLogged(t, false, "exit_65.wasm", "result=reject"); strings.Contains(log, "reason:") {
		t.Errorf("%s", log)
	}
	if log := serveLogged(t, false, "echo.wasm", "msg=delivered"); strings.Contains(log, "| ") {
		t.Errorf("%s", log)
	}
}
