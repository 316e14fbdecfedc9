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
)

const (
	socketName = "inbox.sock"

	// longestSocket is how long the path of a socket may be on every system: 108 bytes on Linux, 104 on macOS (unix(7),
	// unix(4)), one of them zero, and it is made under a name that is up to three bytes longer.
	longestSocket = 100
)

// openSocket listens for the operator on a socket that only this user can reach. Where the path in the data directory is
// too long for a socket, it lies in a directory of its own elsewhere; the lock says where.
func (h *house) openSocket(d *doors, base context.Context, operator http.Handler) error {
	path, err := filepath.Abs(filepath.Join(h.settings.Data, socketName))
	if err != nil {
		return inbox.Errorf(inbox.Internal, "find the socket's place", "%w", err)
	}
	made := func() {} // removes what was made for it
	if len(path) > longestSocket {
		dir, err := h.socketDir()
		if err != nil {
			return err
		}
		made = func() { _ = os.Remove(dir) }
		path = filepath.Join(dir, socketName)
	}
	l, err := listenPrivately(path)
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
	d.add(l, base, operator).ConnContext = api.PeerActor
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
	case len(in)+len("/inbox-0123456789/"+socketName) > longestSocket:
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
		return net.Listen("unix", path)
	}
	private, err := os.MkdirTemp(filepath.Dir(path), "s")
	if err != nil {
		return nil, err
	}
	defer os.Remove(private)
	made := filepath.Join(private, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it has another name then
	if err = os.Chmod(made, 0o600); err == nil {
		err = os.Rename(made, path) // over one that is left over: the lock is ours
	}
	if err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(made))
	}
	return l, nil
}
