package bench

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"inbox/inbox"
	"inbox/inbox/intake"
	"inbox/inbox/store"
)

// fixture is a store with a writer, in a directory of its own.
type fixture struct {
	*store.Store
	dir  string
	stop context.CancelFunc
	end  chan error
}

// open opens a store in dir; normal is the control arm.
func open(dir string, normal bool) (*fixture, error) {
	s, err := store.Open(context.Background(), store.Options{Dir: dir, Create: true, Server: true, Relaxed: normal})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &fixture{Store: s, dir: dir, stop: stop, end: make(chan error, 1)}
	go func() { r.end <- s.Run(ctx) }()
	return r, nil
}

// newFixture opens a store of its own.
func (l *lab) newFixture(normal bool) (*fixture, error) {
	dir, err := l.fresh()
	if err != nil {
		return nil, err
	}
	return open(dir, normal)
}

// close ends the store and keeps its files.
func (r *fixture) close() error {
	r.stop()
	return errors.Join(<-r.end, r.Close())
}

// remove ends the store and takes its files away.
func (r *fixture) remove() error { return errors.Join(r.close(), os.RemoveAll(r.dir)) }

// fill has producers accept arrivals, and returns when all are durable.
func (r *fixture) fill(ctx context.Context, list []*inbox.Arrival, producers int) error {
	return r.fillWith(ctx, len(list), producers, func(i int) *inbox.Arrival { return list[i] })
}

// fillWith is fill with arrivals that are made by the producers, beside the writer.
func (r *fixture) fillWith(ctx context.Context, n, producers int, arrival func(i int) *inbox.Arrival) error {
	errs := make([]error, producers)
	var next atomic.Int64
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[p] == nil; i = int(next.Add(1)) - 1 {
				_, errs[p] = r.Accept(ctx, arrival(i))
			}
		})
	}
	wg.Wait()
	for _, err := range errs { // one says it: they fail alike
		if err != nil {
			return err
		}
	}
	return nil
}

// site is a handler that listens on loopback.
type site struct {
	server  http.Server
	address string
	end     chan error
}

func listen(handler http.Handler) (*site, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &site{server: http.Server{Handler: handler}, address: l.Addr().String(), end: make(chan error, 1)}
	go func() { s.end <- s.server.Serve(l) }()
	return s, nil
}

func (s *site) close() error {
	err := s.server.Close()
	if end := <-s.end; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// rate drives requests through a handler and returns how many were answered per second.
func rate(ctx context.Context, handler http.Handler, list [][]byte) (float64, error) {
	s, err := listen(handler)
	if err != nil {
		return 0, err
	}
	took, _, err := drive(ctx, s.address, list, nil)
	return float64(len(list)) / took, errors.Join(err, s.close())
}

// intakeOver is the program's own handler over a keeper.
func intakeOver(k intake.Keeper) http.Handler {
	return intake.New(intake.Options{Sources: []intake.Source{handlerFixture()}, Keep: k})
}
