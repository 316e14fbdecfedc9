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
	"inbox/inbox/api"
	"inbox/inbox/datadir"
)

const (
	// longestSocket is how long the path of a socket in the data directory may be: what every system takes, less three bytes
	// for the longer name under which it is made.
	longestSocket = 100
)

// longestPath is how long the path of a socket may be on this system: 108 bytes on Linux and Windows, 104 elsewhere, one of them
// zero (unix(7), unix(4)).
func longestPath() int {
	if runtime.GOOS == "linux" || runtime.GOOS == "windows" {
		return 107
	}
	return 103
}

// openSocket listens for the operator on a socket that only this user can reach. Where the path in the data directory is
// too long for a socket, it lies in a directory of its own elsewhere; the lock says where.
func (h *house) openSocket(d *doors, base context.Context, operator http.Handler) error {
	path, err := filepath.Abs(filepath.Join(h.settings.Data, datadir.Socket))
	if err != nil {
		return inbox.Errorf(inbox.Internal, "find the socket's place", "%w", err)
	}
	listen, made := listenPrivately, func() {} // made removes what was made for it
	if len(path) > longestSocket {
		dir, err := h.socketDir()
		if err != nil {
			return err
		}
		listen, made = listenIn, func() { _ = os.Remove(dir) } // it is private already
		path = filepath.Join(dir, datadir.Socket)
	}
	l, err := listen(path)
	if err != nil {
		made()
		return inbox.Errorf(inbox.Unavailable, "listen on "+path, "%w", err)
	}
	ours, _ := os.Lstat(path) // it is just made
	d.cleanup = append(d.cleanup, func() {
		// Where the directory was replaced, it may be another server's.
		if now, err := os.Lstat(path); err == nil && (runtime.GOOS == "windows" || os.SameFile(ours, now)) {
			_ = os.Remove(path)
		}
		made()
	})
	s := d.add("socket", l, base, operator)
	s.ConnContext, s.MaxHeaderBytes = api.PeerActor, maxQuestion
	d.at.Socket = path
	return nil
}

// socketDir makes a directory for the socket whose path is short enough: in the user's runtime directory, or, where that is
// of no use, in the directory for temporary files.
func (h *house) socketDir() (string, error) {
	if given := os.Getenv("XDG_RUNTIME_DIR"); given != "" {
		dir, err := privateDir(given)
		if err == nil {
			return dir, nil
		}
		h.log.Warn("XDG_RUNTIME_DIR is of no use for the operator's socket; it goes into the directory for temporary files",
			"XDG_RUNTIME_DIR", inbox.Printable(given), "error", err)
	}
	dir, err := privateDir(os.TempDir())
	if err != nil {
		return "", inbox.Errorf(inbox.Unavailable, "make a directory for the operator's socket", "%w", err).
			WithHint("set XDG_RUNTIME_DIR to a directory of this user with a short path, or give a --data with one")
	}
	return dir, nil
}

// privateDir makes a directory for this user alone in another one, which must be absolute and short.
func privateDir(in string) (string, error) {
	switch {
	case !filepath.IsAbs(in):
		return "", errors.New("the path is not absolute")
	case len(in)+len("/inbox-0123456789/"+datadir.Socket) > longestPath():
		return "", errors.New("the path is too long for a socket")
	}
	return os.MkdirTemp(in, "inbox-")
}

// listenPrivately makes a socket that nobody but its owner can reach at any moment. Between making a socket and setting its
// mode others can connect to it, and the umask is of the whole process, so it is made in a directory of its own, gets its
// mode there, and is then given its name.
func listenPrivately(path string) (net.Listener, error) {
	if runtime.GOOS == "windows" { // modes do not count there, the access list of the directory does
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
	made := filepath.Join(private, "s")
	l, err := listenIn(made)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(made, path); err != nil { // over one that is left over: the lock is ours
		return nil, errors.Join(err, l.Close(), os.Remove(made))
	}
	return l, nil
}

// listenIn makes a socket in a directory that is this user's alone.
func listenIn(path string) (net.Listener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it may have another name by then
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(path))
	}
	return l, nil
}
