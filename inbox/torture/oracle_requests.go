package torture

import (
	"context"
	"crypto/sha256"

	"inbox/inbox"
)

// poster is the plugin that posts every event to the receiver.
const poster = "posts"

// request is a stored request, and what the receiver knows of it.
type request struct {
	id, seq int64
	lane    laneName
	key     string
	state   inbox.EffectState
	open    bool
	times   int // arrivals
	first   int // place of the first arrival
	last    int
	taken   bool
}

// requests checks law 8.
func (l *checker) requests(ctx context.Context) error {
	list, err := l.readRequests(ctx)
	if err != nil {
		return err
	}
	byKey := make(map[string]*request, len(list))
	for _, q := range list {
		if other := byKey[q.key]; other != nil {
			l.r.broke("law 8: requests %d and %d have the same Idempotency-Key", other.id, q.id)
		}
		byKey[q.key] = q
	}
	for at := range l.w.arrivals {
		l.arrival(at, byKey[l.w.arrivals[at].key])
	}
	ahead := map[laneName][]*request{}
	for _, q := range list {
		if q.state == inbox.EffectDone && !q.taken {
			l.r.broke("law 8: LOST: request %d is done, and the receiver took none of its %d arrivals", q.id, q.times)
		}
		l.behind(q, ahead[q.lane])
		ahead[q.lane] = append(ahead[q.lane], q)
	}
	return l.asked(ctx)
}

// readRequests reads the requests of the poster, the oldest first.
func (l *checker) readRequests(ctx context.Context) (list []*request, err error) {
	err = l.each(ctx, `SELECT id, seq, mode, key, idempotency, state, open FROM effects WHERE plugin = (SELECT id FROM plugins WHERE name = ?) ORDER BY id`,
		[]any{poster}, func(scan func(...any) error) error {
			q := &request{}
			if err := scan(&q.id, &q.seq, &q.lane.mode, &q.lane.key, &q.key, &q.state, &q.open); err != nil {
				return err
			}
			list = append(list, q)
			return nil
		})
	return list, err
}

// arrival checks an arrival against its request.
func (l *checker) arrival(at int, q *request) {
	a := &l.w.arrivals[at]
	if q == nil {
		l.r.broke("law 8: a request with the key %q arrived, which no committed attempt asked for", a.key)
		return
	}
	if i := q.seq - 1 - l.base; i < 0 || i >= int64(len(l.events)) || l.events[i].body == nil || sha256.Sum256([]byte(l.events[i].body.body)) != a.body {
		l.r.broke("law 8: request %d arrived with other bytes than those of event %d", q.id, q.seq)
	}
	if q.times == 0 {
		q.first = at
	}
	q.times, q.last, q.taken = q.times+1, at, q.taken || a.taken
}

// behind checks a request against those ahead of it in its lane.
func (l *checker) behind(q *request, ahead []*request) {
	for _, before := range ahead {
		switch {
		case q.times == 0 || before.times == 0:
		case q.first < before.last:
			l.r.broke("law 8: request %d of %s %s arrived before request %d arrived for the last time", q.id, q.lane.mode, q.lane.key, before.id)
		}
		if q.times > 0 && before.open {
			l.r.broke("law 8: request %d of %s %s arrived, and request %d ahead of it has not ended", q.id, q.lane.mode, q.lane.key, before.id)
		}
	}
}

// asked checks that each settled attempt of the poster has one request, and no other attempt has one.
func (l *checker) asked(ctx context.Context) error {
	const requests = `(SELECT count(*) FROM effects f WHERE f.plugin = a.plugin AND f.seq = a.seq AND f.run = a.run AND f.attempt = a.attempt)`
	return l.each(ctx, `SELECT a.seq, a.attempt, a.result, `+requests+` FROM attempts a
		WHERE a.plugin = (SELECT id FROM plugins WHERE name = ?) AND `+requests+` <> (a.fate = 'done')`, []any{poster}, func(scan func(...any) error) error {
		var seq, attempt, n int64
		var result inbox.Result
		if err := scan(&seq, &attempt, &result, &n); err != nil {
			return err
		}
		l.r.broke("law 8: attempt %d of event %d ended with %s, and has %d requests", attempt, seq, result, n)
		return nil
	})
}
