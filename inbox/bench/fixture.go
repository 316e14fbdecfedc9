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

// fixture is a store with a running writer, in a new directory.
type fixture struct {
	*store.Store
	dir  string
	stop context.CancelFunc
	end  chan error
}

// open opens a store in dir. normal sets synchronous=NORMAL.
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

// newFixture opens a store in a new directory.
func (l *lab) newFixture(normal bool) (*fixture, error) {
	dir, err := l.newDir()
	if err != nil {
		return nil, err
	}
	return open(dir, normal)
}

// close closes the store and keeps its files.
func (r *fixture) close() error {
	r.stop()
	return errors.Join(<-r.end, r.Close())
}

// remove closes the store and deletes its files.
func (r *fixture) remove() error { return errors.Join(r.close(), os.RemoveAll(r.dir)) }

// fill accepts arrivals with a number of producers, and returns when all are durable.
func (r *fixture) fill(ctx context.Context, list []*inbox.Arrival, producers int) error {
	return r.fillWith(ctx, len(list), producers, func(i int) *inbox.Arrival { return list[i] })
}

// fillWith is fill with arrivals that the producers make, in parallel with the writer.
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
	for _, err := range errs { // all producers fail with the same error
		if err != nil {
			return err
		}
	}
	return nil
}

// httpServer is a handler that listens on loopback.
type httpServer struct {
	server  http.Server
	address string
	end     chan error
}

func listen(handler http.Handler) (*httpServer, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &httpServer{server: http.Server{Handler: handler}, address: l.Addr().String(), end: make(chan error, 1)}
	go func() { s.end <- s.server.Serve(l) }()
	return s, nil
}

func (s *httpServer) close() error {
	err := s.server.Close()
	if end := <-s.end; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// rate sends requests to a handler and returns answers per second.
func rate(ctx context.Context, handler http.Handler, list [][]byte) (float64, error) {
	s, err := listen(handler)
	if err != nil {
		return 0, err
	}
	took, _, err := drive(ctx, s.address, list, nil)
	return float64(len(list)) / took, errors.Join(err, s.close())
}

// newHandler returns the program's webhook handler over a keeper.
func newHandler(k intake.Keeper) http.Handler {
	return intake.New(intake.Options{Sources: []intake.Source{benchSource()}, Keep: k})
}
