package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"inbox/inbox"
	"inbox/inbox/qoreid"
	"inbox/inbox/store"
)

// A store under torture may begin with many events that no plugin wants any more, like the store of a server that has run for
// months. They have their own source. A template store has them, and every epoch begins with a copy of it.
const (
	oldSource = "old"
	oldIDs    = 1_000_000 // their entities have higher ids than the entities of later events
)

// old returns the n-th old event, counting from one.
func old(n int) *inbox.Arrival {
	body := fmt.Appendf(nil, `{"event":"workflow","event_type":"verification_completed","data":{"id":%d,"customerReference":"old-%d"}}`, oldIDs+n, n%50_000)
	now := time.Now()
	return &inbox.Arrival{
		Source: oldSource, Mode: inbox.Live, Origin: inbox.FromWebhook, SecretName: "torture", ReceivedAt: now, FirstSeen: now,
		Payload: inbox.Payload{Body: body}, View: qoreid.Read(body, qoreid.Rules{}),
	}
}

// template returns the path of the template store with the old events.
func (t *campaign) template() string { return filepath.Join(t.dir, "template") }

// store makes the template store.
func (t *campaign) store(ctx context.Context) (err error) {
	s, err := store.Open(ctx, store.Options{Dir: t.template(), Create: true, Server: true})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(context.Background())
	end := make(chan error, 1)
	go func() { end <- s.Run(running) }()
	defer func() {
		stop()
		err = errors.Join(err, <-end, s.Close())
	}()
	const step = 100_000
	for at := 0; at < t.opt.Stored; at += step {
		if err := accept(ctx, s, at+1, min(at+step, t.opt.Stored)); err != nil {
			return fmt.Errorf("store old events: %w", err)
		}
		t.opt.Logf("%d of %d old events are stored", min(at+step, t.opt.Stored), t.opt.Stored)
	}
	return nil
}

// accept stores the old events with the numbers from up to to, in any order. The store assigns their seqs.
func accept(ctx context.Context, s *store.Store, from, to int) error {
	const producers = 512 // share commits
	var next atomic.Int64
	next.Store(int64(from))
	errs := make([]error, producers)
	var all sync.WaitGroup
	for p := range producers {
		all.Go(func() {
			for n := int(next.Add(1)) - 1; n <= to && errs[p] == nil; n = int(next.Add(1)) - 1 {
				_, errs[p] = s.Accept(ctx, old(n))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// old checks that the events that were stored before torture began are still stored. It compares the bytes of 200 of them.
func (l *checker) old(ctx context.Context, s *store.Store) error {
	if l.base == 0 {
		return nil
	}
	var count int64
	if err := l.db.QueryRowContext(ctx, `SELECT count(*) FROM events WHERE source = ? AND seq <= ?`, oldSource, l.base).Scan(&count); err != nil {
		return err
	}
	if count != l.base {
		l.r.broke("law 1: LOST: of %d events that were stored before, %d are left", l.base, count)
		return nil
	}
	const compared = 200
	for i := range int64(compared) {
		seq := 1 + i*l.base/compared
		p, err := s.Payload(ctx, seq)
		if err != nil {
			l.r.broke("law 1: event %d, stored before, cannot be read: %v", seq, err)
			continue
		}
		if id, err := strconv.Atoi(qoreid.Read(p.Body, qoreid.Rules{}).ExternalID); err != nil || !bytes.Equal(p.Body, old(id-oldIDs).Payload.Body) {
			l.r.broke("law 1: event %d, stored before, is now %q", seq, p.Body)
		}
	}
	return nil
}
