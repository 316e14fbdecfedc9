package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

func (p *program) eventTail(c *cli.Context) error {
	f, err := p.filter(c)
	if err != nil {
		return err
	}
	left := f.Limit
	f.Limit = 0
	client, err := p.client(c)
	if err != nil {
		return err
	}
	if p.Format == "json" {
		p.Format = "jsonl" // a stream does not end, so its list would never be closed
	}
	out := console.NewList(&p.Console, func(e api.Event) string { return e.ID }, p.tailColumns()...)
	if err := out.Stream(typicalEvent(p.Now())); err != nil {
		return err
	}
	if p.OutTerminal || p.ErrTerminal {
		p.Say("waiting for events; Ctrl-C ends")
	}
	show := func(e api.Event) error {
		if err := p.tailRow(out, e); err != nil {
			return err
		}
		if left--; left == 0 {
			return errEnough
		}
		return nil
	}
	return p.follow(client, f, show)
}

// tailColumns returns the columns of the event list. On a terminal it omits the source, because the key begins with it.
func (p *program) tailColumns() []console.Column[api.Event] {
	columns := eventColumns(p)
	if p.TerminalWidth() > 0 {
		columns = slices.DeleteFunc(columns, func(c console.Column[api.Event]) bool { return c.Head == "SOURCE" })
	}
	return columns
}

// typicalEvent returns an event of typical width.
func typicalEvent(now time.Time) api.Event {
	return api.Event{
		ID: inbox.EventID(1, make([]byte, 5)), StoredAt: now, Source: "qoreid", Mode: inbox.Live, Event: "workflow", EventType: "verification_completed",
		Key: "qoreid/workflow/1234567890123", Verdict: inbox.Unknown, Origin: inbox.FromWebhook,
	}
}

var errEnough = errors.New("the limit is reached")

// tailRow writes one event of a stream at once.
func (p *program) tailRow(out *console.List[api.Event], e api.Event) error {
	if err := out.Add(e); err != nil {
		return err
	}
	return out.Flush()
}

// follow shows events until it is interrupted. When the server restarts, it continues after the last event.
func (p *program) follow(client *api.Client, f inbox.Filter, show func(api.Event) error) error {
	var lostAt time.Time // time of the first error since the last event
	for {
		after, err := client.Stream(p.ctx, f, show)
		received := after > f.After
		switch {
		case errors.Is(err, errEnough):
			return nil
		case p.ctx.Err() != nil:
			return p.ctx.Err()
		case err != nil && !received && !p.mayReconnect(err, lostAt):
			return err
		case received || lostAt.IsZero():
			lostAt = p.Now()
			p.Say("the server ended the stream; waiting to reconnect")
		}
		f = continueAfter(f, after)
		if err := pause(p.ctx, time.Second); err != nil {
			return err
		}
	}
}

// mayReconnect reports whether to connect again after an error. The server may be restarting if it answered until lostAt, shortly before.
func (p *program) mayReconnect(err error, lostAt time.Time) bool {
	const patience = 30 * time.Second
	return !lostAt.IsZero() && inbox.KindOf(err) == inbox.Unavailable && p.Now().Sub(lostAt) <= patience
}

// continueAfter returns a filter for the events after seq after, the last of a stream that ended.
func continueAfter(f inbox.Filter, after int64) inbox.Filter {
	if f.After = after; after > 0 {
		f.Since = time.Time{}
	} else if f.Since.IsZero() {
		f.Since = time.Unix(0, 0) // the log was empty: start at its beginning, not now
	}
	return f
}

// pause waits for a duration, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
