package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/intake"
)

// doors are the addresses a server listens on.
type doors struct {
	at      Addresses
	servers []*http.Server
	nets    []net.Listener
	streams context.CancelFunc // ends streams, which are never idle
	cleanup []func()
	once    sync.Once
}

// listen opens every address, or none.
func (h *house) listen(ctx context.Context) (*doors, error) {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d := &doors{streams: cancel}
	options := api.Options{
		Store: h.store, House: h, Sources: h.settings, Version: h.opt.Version, Serving: true, Log: h.log,
	}
	health := api.Health(options, h.metrics)
	operator := api.New(options)
	token, err := api.Token(h.settings.Data)
	if err == nil && !h.opt.Closed {
		d.at.Webhooks, err = d.open("listen", h.settings.Listen, base, intake.New(h.door()))
	}
	if err == nil && h.settings.Admin != "" {
		d.at.Admin, err = d.open("admin", h.settings.Admin, base, admin(health, api.RequireToken(token, operator)))
	}
	if err == nil && h.settings.Health != "" {
		d.at.Health, err = d.open("health", h.settings.Health, base, health)
	}
	if err == nil {
		err = d.openSocket(h.settings.Data, base, operator)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// admin serves health without the token and the API with it.
func admin(health, operator http.Handler) http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		mux.Handle(path, health)
	}
	mux.Handle("/", operator)
	return mux
}

// open listens on an address.
func (d *doors) open(flag, address string, base context.Context, handler http.Handler) (string, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		hint := "give another address with --" + flag
		if errors.Is(err, syscall.EADDRINUSE) {
			hint = "another program listens there: stop it, or " + hint
		}
		return "", inbox.Errorf(inbox.Unavailable, "listen on "+address, "%w", errors.Unwrap(err)).WithHint(hint)
	}
	s := d.add(l, base, handler)
	if flag == "admin" {
		s.MaxHeaderBytes = maxQuestion
	}
	return l.Addr().String(), nil
}

// maxQuestion is how many bytes of headers, the address among them, an operator may send: a question may name thousands of
// values. Anybody else may send 64 KiB.
const maxQuestion = 1 << 20

func (d *doors) add(l net.Listener, base context.Context, handler http.Handler) *http.Server {
	s := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return base },
	}
	d.servers = append(d.servers, s)
	d.nets = append(d.nets, l)
	return s
}

// longestSocket is how long the path of a socket may be on every system (108 bytes on Linux, 104 on macOS).
const longestSocket = 100

// openSocket listens for the operator on a socket that only this user can reach. Where the path in the data directory
// is too long for a socket, it lies in the user's runtime directory; the lock says where.
func (d *doors) openSocket(data string, base context.Context, operator http.Handler) error {
	path, err := filepath.Abs(filepath.Join(data, "inbox.sock"))
	if err != nil {
		return inbox.Errorf(inbox.Internal, "find the socket's place", "%w", err)
	}
	if len(path) > longestSocket {
		dir, err := os.MkdirTemp(os.Getenv("XDG_RUNTIME_DIR"), "inbox-")
		if err != nil {
			return inbox.Errorf(inbox.Unavailable, "make a directory for the socket", "%w", err)
		}
		d.cleanup = append(d.cleanup, func() { _ = os.Remove(dir) })
		path = filepath.Join(dir, "inbox.sock")
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) { // the lock is ours: it is left over
		return inbox.Errorf(inbox.Unavailable, "remove an old socket", "%w", err)
	}
	l, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "listen on "+path, "%w", err)
	}
	s := d.add(l, base, operator)
	s.ConnContext, s.MaxHeaderBytes = api.PeerActor, maxQuestion
	d.at.Socket = path
	return nil
}

// serve answers on every address until close. A listener that fails stops the program.
func (d *doors) serve(fall context.CancelCauseFunc) {
	for i, s := range d.servers {
		go func() {
			if err := s.Serve(d.nets[i]); !errors.Is(err, http.ErrServerClosed) {
				fall(fmt.Errorf("serve on %s: %w", d.nets[i].Addr(), err))
			}
		}()
	}
}

// shutdown takes nothing new, gives the requests under way the grace to end, and cuts the rest.
func (d *doors) shutdown(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	d.streams()
	var wg sync.WaitGroup
	for _, s := range d.servers {
		wg.Go(func() {
			if s.Shutdown(ctx) != nil {
				_ = s.Close() // what is cut was not answered, so it will be sent again
			}
		})
	}
	wg.Wait()
}

// close closes what is still open.
func (d *doors) close() {
	d.once.Do(func() {
		d.streams()
		for i, l := range d.nets {
			_ = d.servers[i].Close()
			_ = l.Close() // closed already when its server was
		}
		if d.at.Socket != "" && !strings.HasPrefix(d.at.Socket, "@") {
			_ = os.Remove(d.at.Socket)
		}
		for _, fn := range d.cleanup {
			fn()
		}
	})
}
