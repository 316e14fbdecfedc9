package torture

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"time"

	"inbox/inbox"
	"inbox/inbox/qoreid"
	"inbox/inbox/store"
)

// Judge compares the samples of a soak.
func Judge(r *Report) { r.judge() }

// Ended runs a server with its plugins, stops it and calls do with its data directory. Then it starts the server again, lets it
// accept an event, and waits until all work has ended.
func Ended(ctx context.Context, o Options, do func(data string) error) (*Report, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	t := &campaign{opt: o, dir: o.Dir, data: o.Dir + "/epoch", report: newReport(o.Seed), began: time.Now()}
	if err := t.beginEpoch(ctx); err != nil {
		return nil, err
	}
	for life := range 2 {
		t.round = life // so that the two servers get different bodies
		s, err := t.start(ctx, setup{})
		if err != nil {
			return nil, err
		}
		t.firstAccept(ctx, s, fault{})
		if life == 0 {
			t.waitForZero(ctx, `SELECT (SELECT count(*) FROM plugins WHERE live <> '') < 3`, o.Drain)
		}
		s.stop(t)
		s.finish(t)
		if life == 0 {
			if err := do(t.data); err != nil {
				return nil, err
			}
		}
	}
	err := t.endEpoch(ctx)
	return t.report, err
}

// Passed returns the broken laws of a store with one event that all plugins want. The named plugin has skipped it without an
// attempt.
func Passed(ctx context.Context, dir, plugin string) ([]string, error) {
	s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true, MinFree: 1})
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	end := make(chan error, 1)
	go func() { end <- s.Run(running) }()
	w := newHistory()
	body := `{"event":"workflow","event_type":"verification_completed","data":{"id":1}}`
	sentBody, _, _ := w.sending(sent{source: "qoreid", mode: inbox.Live, body: body, known: true, entity: "1"})
	_, err = s.Accept(ctx, &inbox.Arrival{
		Source: "qoreid", Mode: inbox.Live, Origin: inbox.FromWebhook, ReceivedAt: time.Now(), Payload: inbox.Payload{Body: []byte(body)},
		View: qoreid.Read([]byte(body), qoreid.Rules{}),
	})
	stop()
	if err = errors.Join(err, <-end, s.Close()); err != nil {
		return nil, err
	}
	w.answer(answered{body: sentBody, seq: 1, stored: true, first: true})
	db, err := sql.Open("sqlite", filepath.Join(dir, "inbox.db"))
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, `INSERT INTO plugins (name, created_at, started_at, cursor) VALUES (?, 0, 0, 1)`, plugin)
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	r := newReport(1)
	err = w.check(ctx, dir, r)
	return r.Broken, err
}
