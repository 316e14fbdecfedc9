package operator_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"inbox/inbox/operator"
)

// dialAs connects to a socket as another user. Linux keeps the user of each thread, and of a peer the one at the time of the
// connection.
func dialAs(t *testing.T, path string, uid int) net.Conn {
	t.Helper()
	type dialled struct {
		c   net.Conn
		err error
	}
	got := make(chan dialled)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		const same = ^uintptr(0)
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, same, uintptr(uid), same); errno != 0 {
			got <- dialled{err: errno}
			return
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		}
		if err != nil {
			got <- dialled{err: err}
			return
		}
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		f.Close()
		got <- dialled{c, err}
	}()
	d := <-got
	if d.err != nil {
		t.Fatal(d.err)
	}
	return d.c
}

func TestTheSocketServesRootAndItsOwnUserAlone(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	r := newRig(t)
	dir, err := os.MkdirTemp("", "inbox-peer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{dir: 0o755, path: 0o777} { // as if somebody had opened it to all
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	srv := &http.Server{Handler: operator.New(r.opt), ConnContext: operator.PeerActor}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	for uid, want := range map[int]int{0: http.StatusOK, 65534: http.StatusForbidden} {
		c := dialAs(t, path, uid)
		client := http.Client{Transport: &http.Transport{
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return c, nil },
			DisableKeepAlives: true,
		}}
		resp, err := client.Get("http://inbox.sock/v1/status")
		if err != nil {
			t.Fatal(err)
		}
		var body strings.Builder
		_ = resp.Write(&body)
		resp.Body.Close()
		if resp.StatusCode != want || (want != http.StatusOK) != strings.Contains(body.String(), "this socket is for root") {
			t.Errorf("user %d: %s", uid, &body)
		}
	}
}
