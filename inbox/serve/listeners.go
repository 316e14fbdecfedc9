package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"inbox/inbox"
	"inbox/inbox/intake"
	"inbox/inbox/operator"
)

// doors are the addresses a server listens on.
type doors struct {
	log     *slog.Logger
	at      Addresses
	servers []*http.Server
	nets    []net.Listener
	streams context.CancelFunc // ends streams, which are never idle
	cleanup []func()
	once    sync.Once
}

// listen opens every address, or none.
func (h *server) listen(ctx context.Context) (*doors, error) {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d := &doors{streams: cancel, log: h.log}
	control := &Control{settings: h.settings, store: h.store, parts: h.parts}
	options := control.API(h.opt.Version)
	options.Log, options.Refused = h.log, h.refusals.Unstored
	health := operator.Health(options, h.metrics)
	handler := operator.New(options)
	token, err := operator.Token(h.settings.Data)
	if err == nil && !h.opt.Closed {
		d.at.Webhooks, err = d.openWebhooks(base, h)
	}
	if err == nil && h.settings.Admin != "" {
		d.at.Admin, err = d.openOwn("admin", h.settings.Admin, base, admin(health, operator.RequireToken(token, handler)))
	}
	if err == nil && h.settings.Health != "" {
		d.at.Health, err = d.openOwn("health", h.settings.Health, base, health)
	}
	if err == nil {
		err = h.openSocket(d, base, handler)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// admin serves health without the token and the API with it.
func admin(health, api http.Handler) http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		mux.Handle(path, health)
	}
	mux.Handle("/", api)
	return mux
}

// openWebhooks listens for webhooks, within bounds of the connections that senders may have.
func (d *doors) openWebhooks(base context.Context, h *server) (string, error) {
	l, err := listen("listen", h.settings.Listen)
	if err != nil {
		return "", err
	}
	options := h.door()
	most, each, bodies := connectionBounds(openFiles())
	if most < mostConnections {
		h.log.Warn("few files may be open at a time, so fewer connections are taken", "connections", most, "files", openFiles(),
			"hint", "raise the limit of open files (ulimit -n, LimitNOFILE=) to 2048")
	}
	options.Bodies = bodies
	bounded := newConnections(l, most, each, options.Trusts, func(from netip.Addr, why string) {
		h.refusals.Note("", why, false, from, "", time.Now())
	})
	s := d.add("webhooks", bounded, base, bounded.seen(intake.New(options)))
	s.ConnState, s.ConnContext, s.MaxHeaderBytes = bounded.state, bounded.context, 32<<10
	return l.Addr().String(), nil
}

// openOwn listens for the operator. On a loopback address it answers only by a loopback name.
func (d *doors) openOwn(flag, address string, base context.Context, handler http.Handler) (string, error) {
	l, err := listen(flag, address)
	if err != nil {
		return "", err
	}
	if at, ok := l.Addr().(*net.TCPAddr); ok && at.IP.IsLoopback() {
		name, _, _ := net.SplitHostPort(address) // it was listened on
		handler = operator.LoopbackNames(name, handler)
	}
	s := d.add(flag, l, base, handler)
	if flag == "admin" {
		s.MaxHeaderBytes = maxQuestion
	}
	return l.Addr().String(), nil
}

// listen opens an address.
func listen(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		hint := "give another address with --" + flag
		if errors.Is(err, syscall.EADDRINUSE) {
			hint = "another program listens there: stop it, or " + hint
		}
		return nil, inbox.Errorf(inbox.Unavailable, "listen on "+address, "%w", errors.Unwrap(err)).WithHint(hint)
	}
	return l, nil
}

// maxQuestion is how many bytes of headers, the address among them, an operator may send: a question may name thousands of
// values. Anybody else may send 64 KiB.
const maxQuestion = 1 << 20

func (d *doors) add(name string, l net.Listener, base context.Context, handler http.Handler) *http.Server {
	s := &http.Server{
		ErrorLog: newServerLog(d.log, name),
		Handler:  handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return base },
	}
	d.servers = append(d.servers, s)
	d.nets = append(d.nets, l)
	return s
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
		for _, fn := range d.cleanup {
			fn()
		}
	})
}
