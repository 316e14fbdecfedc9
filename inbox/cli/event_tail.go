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
		p.Format = "jsonl" // a stream has no end at which a list could be closed
	}
	out := console.NewList(&p.Console, func(e api.Event) string { return e.ID }, p.tailColumns()...)
	if err := out.Stream(usualEvent(p.Now())); err != nil {
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

// tailColumns returns the columns of the event list, on a terminal without the source, with which the key begins.
func (p *program) tailColumns() []console.Column[api.Event] {
	columns := eventColumns(p)
	if p.TerminalWidth() > 0 {
		columns = slices.DeleteFunc(columns, func(c console.Column[api.Event]) bool { return c.Head == "SOURCE" })
	}
	return columns
}

// usualEvent returns an event of the usual width.
func usualEvent(now time.Time) api.Event {
	return api.Event{
		ID: inbox.EventID(1, make([]byte, 5)), StoredAt: now, Source: "qoreid", Mode: inbox.Live, Event: "workflow", EventType: "verification_completed",
		Key: "qoreid/workflow/1234567890123", Verdict: inbox.Unknown, Origin: inbox.FromWebhook,
	}
}

var errEnough = errors.New("the limit is reached")

// tailRow writes one event of a stream at once: later events cannot widen its columns.
func (p *program) tailRow(out *console.List[api.Event], e api.Event) error {
	if err := out.Add(e); err != nil {
		return err
	}
	return out.Flush()
}

// follow streams until it is interrupted. When the server stops and starts again, it continues after the last event.
func (p *program) follow(client *api.Client, f inbox.Filter, show func(api.Event) error) error {
	var lost time.Time // time of the first error since the last event
	for {
		after, err := client.Stream(p.ctx, f, show)
		came := after > f.After
		switch {
		case errors.Is(err, errEnough):
			return nil
		case p.ctx.Err() != nil:
			return p.ctx.Err()
		case err != nil && !came && !p.mayComeBack(err, lost):
			return err
		case came || lost.IsZero():
			lost = p.Now()
			p.Say("the server ended the stream; waiting for it to come back")
		}
		f = goOn(f, after)
		if err := pause(p.ctx, time.Second); err != nil {
			return err
		}
	}
}

// mayComeBack reports whether an error means that the server, which answered until lost, may only be away for a while.
func (p *program) mayComeBack(err error, lost time.Time) bool {
	const patience = 30 * time.Second
	return !lost.IsZero() && inbox.KindOf(err) == inbox.Unavailable && p.Now().Sub(lost) <= patience
}

// goOn returns a filter of the events after a stream that ended.
func goOn(f inbox.Filter, after int64) inbox.Filter {
	if f.After = after; after > 0 {
		f.Since = time.Time{}
	} else if f.Since.IsZero() {
		f.Since = time.Unix(0, 0) // the log was empty: begin at its start, not now
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
