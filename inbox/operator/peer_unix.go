//go:build linux || darwin

package operator

import (
	"errors"
	"net"
)

// controlSocket calls ask with the descriptor of a unix socket.
func controlSocket(c net.Conn, ask func(fd int) error) error {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return errors.New("not a unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return err
	}
	var asked error
	if err := raw.Control(func(fd uintptr) { asked = ask(int(fd)) }); err != nil {
		return err
	}
	return asked
}
