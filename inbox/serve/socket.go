package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/operator"
)

// maxSocketPath bounds the path of a socket in the data directory. It is the lowest bound of all systems, less three bytes for the
// longer name under which the socket is created.
const maxSocketPath = 100

// systemSocketPath returns the bound of a socket's path on this system: 108 bytes on Linux and Windows, 104 elsewhere, including a
// zero byte (unix(7), unix(4)).
func systemSocketPath() int {
	if runtime.GOOS == "linux" || runtime.GOOS == "windows" {
		return 107
	}
	return 103
}

// openSocket listens for operators on a socket that only this user can reach. When the path in the data directory is too long for a
// socket, the socket is in its own directory elsewhere. The lock file contains its path.
func (v *server) openSocket(ls *listeners, base context.Context, handler http.Handler) error {
	path, err := filepath.Abs(filepath.Join(v.settings.Data, datadir.Socket))
	if err != nil {
		return inbox.Errorf(inbox.Internal, "find the path of the socket", "%w", err)
	}
	listen, removeDir := listenPrivately, func() {}
	if len(path) > maxSocketPath {
		dir, err := v.socketDir()
		if err != nil {
			return err
		}
		listen, removeDir = listenIn, func() { _ = os.Remove(dir) } // the directory is private already
		path = filepath.Join(dir, datadir.Socket)
	}
	l, err := listen(path)
	if err != nil {
		removeDir()
		return inbox.Errorf(inbox.Unavailable, "listen on "+path, "%w", err)
	}
	created, _ := os.Lstat(path) // it was created just now
	ls.cleanup = append(ls.cleanup, func() {
		// If the directory was replaced, the socket may be another server's.
		if now, err := os.Lstat(path); err == nil && (runtime.GOOS == "windows" || os.SameFile(created, now)) {
			_ = os.Remove(path)
		}
		removeDir()
	})
	s := ls.add("socket", l, base, handler)
	s.ConnContext, s.MaxHeaderBytes = operator.PeerActor, maxOperatorHeader
	ls.at.Socket = path
	return nil
}

// socketDir creates a directory with a short path for the socket: in the user's runtime directory, or, if that is unusable, in
// the directory for temporary files.
func (v *server) socketDir() (string, error) {
	if given := os.Getenv("XDG_RUNTIME_DIR"); given != "" {
		dir, err := privateDir(given)
		if err == nil {
			return dir, nil
		}
		v.log.Warn("XDG_RUNTIME_DIR cannot hold the operator's socket; the directory for temporary files is used",
			"XDG_RUNTIME_DIR", inbox.Printable(given), "error", err)
	}
	dir, err := privateDir(os.TempDir())
	if err != nil {
		return "", inbox.Errorf(inbox.Unavailable, "make a directory for the operator's socket", "%w", err).
			WithHint("set XDG_RUNTIME_DIR to a directory of this user with a short path, or give a --data with one")
	}
	return dir, nil
}

// privateDir creates a directory for this user only. The parent's path must be absolute and short.
func privateDir(in string) (string, error) {
	switch {
	case !filepath.IsAbs(in):
		return "", errors.New("the path is not absolute")
	case len(in)+len("/inbox-0123456789/"+datadir.Socket) > systemSocketPath():
		return "", errors.New("the path is too long for a socket")
	}
	return os.MkdirTemp(in, "inbox-")
}

// listenPrivately creates a socket that only its owner can reach at any moment. Other users can connect to a new socket until its mode
// is changed, and the umask applies to the whole process. So the socket is created in a private directory, gets its mode there, and
// is then renamed to its path.
func listenPrivately(path string) (net.Listener, error) {
	if runtime.GOOS == "windows" { // modes have no effect there; the directory's access control list applies
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		return listenIn(path)
	}
	private, err := os.MkdirTemp(filepath.Dir(path), "s")
	if err != nil {
		return nil, err
	}
	defer os.Remove(private)
	temporary := filepath.Join(private, "s")
	l, err := listenIn(temporary)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(temporary, path); err != nil { // it may replace a leftover socket: this process has the lock
		return nil, errors.Join(err, l.Close(), os.Remove(temporary))
	}
	return l, nil
}

// listenIn creates a socket in a directory that only this user can enter.
func listenIn(path string) (net.Listener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it may be renamed by then
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(path))
	}
	return l, nil
}
