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

// listeners are the open addresses of a server, each with its HTTP server.
type listeners struct {
	log     *slog.Logger
	at      Addresses
	servers []*http.Server
	nets    []net.Listener
	streams context.CancelFunc // ends the event streams, which are never idle
	cleanup []func()
	once    sync.Once
}

// listen opens every address, or none.
func (v *server) listen(ctx context.Context) (*listeners, error) {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ls := &listeners{streams: cancel, log: v.log}
	control := &Control{settings: v.settings, store: v.store, parts: v.parts}
	options := control.API(v.opt.Version)
	options.Log, options.Refused = v.log, v.refusals.Unstored
	health := operator.Health(options, v.metrics)
	handler := operator.New(options)
	token, err := operator.Token(v.settings.Data)
	if err == nil && !v.opt.NoWebhooks {
		ls.at.Webhooks, err = ls.openWebhooks(base, v)
	}
	if err == nil && v.settings.Admin != "" {
		ls.at.Admin, err = ls.openOperator("admin", v.settings.Admin, base, admin(health, operator.RequireToken(
			operator.Gate{File: token, Tokens: v.store, Log: v.log, Now: v.opt.Hooks.Now}, handler)))
	}
	if err == nil && v.settings.Health != "" {
		ls.at.Health, err = ls.openOperator("health", v.settings.Health, base, health)
	}
	if err == nil {
		err = v.openSocket(ls, base, handler)
	}
	if err != nil {
		ls.close()
		return nil, err
	}
	return ls, nil
}

// admin returns a handler that serves health without the token, and all other paths by api.
func admin(health, api http.Handler) http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		mux.Handle(path, health)
	}
	mux.Handle("/", api)
	return mux
}

// openWebhooks listens for webhooks, and bounds the connections of senders.
func (ls *listeners) openWebhooks(base context.Context, v *server) (string, error) {
	l, err := listen("listen", v.settings.Listen)
	if err != nil {
		return "", err
	}
	options := v.webhookOptions()
	total, perAddress, bodies := connectionBounds(openFiles())
	if total < maxConnections {
		v.log.Warn("the limit of open files is low, so fewer connections are accepted", "connections", total, "files", openFiles(),
			"hint", "raise the limit of open files (ulimit -n, LimitNOFILE=) to 2048")
	}
	options.Bodies = bodies
	bounded := newConnections(l, total, perAddress, options.Trusts, func(from netip.Addr, why string) {
		v.refusals.Note("", why, false, from, "", time.Now())
	})
	s := ls.add("webhooks", bounded, base, bounded.seen(intake.New(options)))
	s.ConnState, s.ConnContext, s.MaxHeaderBytes = bounded.state, bounded.context, 32<<10
	return l.Addr().String(), nil
}

// openOperator listens for operators. On a loopback address it rejects requests whose Host is not a loopback name.
func (ls *listeners) openOperator(flag, address string, base context.Context, handler http.Handler) (string, error) {
	l, err := listen(flag, address)
	if err != nil {
		return "", err
	}
	if at, ok := l.Addr().(*net.TCPAddr); ok && at.IP.IsLoopback() {
		name, _, _ := net.SplitHostPort(address) // it is valid: the listener is open
		handler = operator.LoopbackNames(name, handler)
	}
	s := ls.add(flag, l, base, handler)
	if flag == "admin" {
		s.MaxHeaderBytes = maxOperatorHeader
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

// maxOperatorHeader bounds the headers of an operator's request in bytes, with its URL, which may contain thousands of values. The
// bound of the health address is 64 KiB.
const maxOperatorHeader = 1 << 20

func (ls *listeners) add(name string, l net.Listener, base context.Context, handler http.Handler) *http.Server {
	s := &http.Server{
		ErrorLog: newServerLog(ls.log, name),
		Handler:  handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return base },
	}
	ls.servers = append(ls.servers, s)
	ls.nets = append(ls.nets, l)
	return s
}

// serve starts the HTTP servers. A listener that fails calls fail.
func (ls *listeners) serve(fail context.CancelCauseFunc) {
	for i, s := range ls.servers {
		go func() {
			if err := s.Serve(ls.nets[i]); !errors.Is(err, http.ErrServerClosed) {
				fail(fmt.Errorf("serve on %s: %w", ls.nets[i].Addr(), err))
			}
		}()
	}
}

// shutdown accepts no further connections, waits up to grace for running requests, and closes the rest.
func (ls *listeners) shutdown(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	ls.streams()
	var wg sync.WaitGroup
	for _, s := range ls.servers {
		wg.Go(func() {
			if s.Shutdown(ctx) != nil {
				_ = s.Close() // senders retry requests without an answer
			}
		})
	}
	wg.Wait()
}

// close closes every listener that is still open.
func (ls *listeners) close() {
	ls.once.Do(func() {
		ls.streams()
		for i, l := range ls.nets {
			_ = ls.servers[i].Close()
			_ = l.Close() // closed already when its server was
		}
		for _, fn := range ls.cleanup {
			fn()
		}
	})
}
