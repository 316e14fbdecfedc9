package operator_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/operator"
)

func checkMode(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v", path, info.Mode())
	}
}

func TestATokenFileThatIsEmptyIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "api.token"), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := operator.Token(dir); inbox.KindOf(err) != inbox.Invalid {
		t.Errorf("got %v", err)
	}
	if _, err := operator.Token(filepath.Join(dir, "api.token")); inbox.KindOf(err) != inbox.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestOnTheSocketTheActorIsTheUserAtTheOtherEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: operator.New(r.opt), ConnContext: operator.PeerActor}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	defer func() {
		_ = srv.Close()
		<-ended
	}()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	client := &api.Client{HTTP: &http.Client{Transport: transport}, Base: "http://socket"}
	if _, err := client.ResumeAll(t.Context(), api.ActionRequest{}); err != nil {
		t.Fatal(err)
	}
	want := "resume everything by socket: "
	if runtime.GOOS == "linux" {
		want = "resume everything by " + operator.Self() + ": "
	}
	if got := r.audited(); !slices.Contains(got, want) {
		t.Errorf("audit %q lacks %q", got, want)
	}
	if !strings.HasPrefix(operator.Self(), "uid:") {
		t.Error(operator.Self())
	}
}
