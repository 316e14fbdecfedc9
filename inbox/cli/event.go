package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

func (p *program) eventCommand() *cli.Command {
	plugin := &cli.StringFlag{Name: "plugin", Usage: "events with an attempt of plugin `NAME`"}
	commands := []*cli.Command{
		p.leaf(spec{
			name: "list", aliases: []string{"ls"}, usage: "list events, the newest first", args: "[ID…|SEQ…|-]", max: -1, remote: true, formats: listFormats(),
			about: "Without --limit a table on a terminal has the newest 100; any other output has no limit.",
			flags: append(filterFlags(), plugin, flag("reverse", "the oldest first"), &cli.StringSliceFlag{
				Name: "outcome", Usage: "list deliveries with state `WORD` (retry, waiting, pending, held, dead, discarded), or with that outcome of the newest attempt",
			}), run: p.eventList,
		}),
		p.leaf(spec{
			name: "show", aliases: []string{"get"}, usage: "show an event, its payload and its deliveries", args: "ID|SEQ", min: 1, max: 1, remote: true,
			about:   "With - the id is read from standard input, as in `inbox send workflow -o ids | inbox event show -`.",
			formats: showFormats(), run: p.eventShow,
			flags: []cli.Flag{revealFlag(), reasonFlag(), flag("raw", "write only the received bytes; this reveals them and is recorded. On a terminal, control characters are removed")},
		}),
		p.leaf(spec{
			name: "tail", usage: "show events as they arrive", remote: true, formats: listFormats(),
			flags: filterFlags(), run: p.eventTail,
		}),
	}
	return p.parent("event", []string{"events"}, "list, show and follow events", append(commands, plannedCommands(map[string]string{
		"export": "`inbox event list -o jsonl` writes events without their payloads; `inbox event show ID --raw` writes a received body",
		"import": "`inbox send --data @FILE` signs a body and sends it like a webhook",
	})...)...)
}

func eventColumns(p *program) []console.Column[api.Event] {
	return []console.Column[api.Event]{
		console.Col("ID", func(e api.Event) string { return e.ID }),
		console.Col("STORED", func(e api.Event) string { return p.Stamp(e.StoredAt) }),
		console.Col("SOURCE", func(e api.Event) string { return e.Source }),
		console.Col("MODE", func(e api.Event) string { return string(e.Mode) }),
		console.Col("EVENT", func(e api.Event) string { return eventName(e.Event, e.EventType) }),
		console.Col("KEY", func(e api.Event) string { return e.Key }),
		console.Col("VERDICT", func(e api.Event) string { return string(e.Verdict) }),
		console.Col("MARKS", marks),
	}
}

func eventName(event, typ string) string {
	if typ == "" {
		return event
	}
	return event + "/" + typ
}

// marks returns the unusual properties of an event, joined by commas.
func marks(e api.Event) string {
	var list []string
	for _, m := range []struct {
		on   bool
		word string
	}{{e.Late, "late"}, {e.DuplicateHint, "duplicate?"}, {e.Purged, "purged"}, {e.Origin != inbox.FromWebhook, string(e.Origin)}} {
		if m.on {
			list = append(list, m.word)
		}
	}
	return console.OrDash(strings.Join(list, ","))
}

func (p *program) eventList(c *cli.Context) error {
	f, ids, err := p.selection(c)
	if err != nil {
		return err
	}
	f.Plugin, f.Newest = c.String("plugin"), !c.Bool("reverse")
	short := p.shortTable(c, &f.Limit)
	client, err := p.client(c)
	if err != nil {
		return err
	}
	if c.NArg() > 0 && len(ids) == 0 {
		return endWithoutIDs(p, console.NewList(&p.Console, nil, eventColumns(p)...))
	}
	n, err := p.listEvents(client, f, ids, listValues(c, "outcome"))
	if err != nil {
		return err
	}
	if n == 0 {
		p.reportNoMatch(&f, "event")
	}
	short.end(n)
	return nil
}

// listEvents writes a list of events, or, with --outcome, of their deliveries. It returns the number of items.
func (p *program) listEvents(client *api.Client, f inbox.Filter, ids, outcomes []string) (int, error) {
	if len(outcomes) > 0 {
		return p.deliveryList(client, f, ids, outcomes)
	}
	out := console.NewList(&p.Console, func(e api.Event) string { return e.ID }, eventColumns(p)...)
	if err := client.Events(p.ctx, f, ids, out.Add); err != nil {
		return out.Len(), err
	}
	return out.Len(), out.End()
}

func (p *program) eventShow(c *cli.Context) error {
	id, err := p.oneID(c)
	if err != nil {
		return err
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	if c.Bool("raw") {
		body, err := client.Raw(p.ctx, id, c.String("reason"))
		if err != nil {
			return err
		}
		if p.OutTerminal {
			return p.Print("%s", body)
		}
		return p.Raw(body)
	}
	d, err := client.Event(p.ctx, id, api.Reveal{On: c.Bool("reveal"), Reason: c.String("reason")})
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(d)
	}
	return p.printEvent(&d)
}

func (p *program) printEvent(d *api.EventDetail) error {
	copies := ""
	if d.Copies.Count > 0 {
		copies = fmt.Sprintf("%s, the last at %s", console.Plural(d.Copies.Count, "time", "times"), p.Stamp(d.Copies.LastAt))
	}
	firstSeen := ""
	if !d.FirstSeenAt.Equal(d.ReceivedAt) {
		firstSeen = p.Stamp(d.FirstSeenAt)
	}
	err := p.Pairs(
		"id", d.ID, "seq", fmt.Sprint(d.Seq), "event", eventName(d.Event.Event, d.EventType), "source", d.Source+" ("+string(d.Mode)+")",
		"secret", d.Secret, "key", d.Key, "customer reference", d.CustomerReference, "verdict", string(d.Verdict), "status", d.Status,
		"state", d.State, "sub-status", d.SubStatus, "marks", marks(d.Event), "caused by", causeText(d.CausedBy), "received", p.Stamp(d.ReceivedAt), "first seen", firstSeen,
		"stored", p.Stamp(d.StoredAt), "came again", copies, "size", console.Bytes(int64(d.Size)), "payload", d.Note,
	)
	if err != nil {
		return err
	}
	if err := p.printDeliveries(d, "  "); err != nil {
		return err
	}
	return p.printPayload(d)
}

func (p *program) printPayload(d *api.EventDetail) error {
	if d.Note != "" {
		return nil
	}
	text := "\nheaders\n"
	for _, h := range d.Headers {
		text += "  " + console.OneLine(h.Name+": "+h.Value) + "\n"
	}
	switch {
	case d.BodyBase64 != nil:
		text += "\nbody (not JSON; --raw writes its bytes)\n" + console.Lines(string(d.BodyBase64), "  ")
	default:
		var body any
		if json.Unmarshal(d.Body, &body) == nil {
			if pretty, err := json.MarshalIndent(d.Body, "  ", "  "); err == nil {
				text += "\nbody\n  " + string(inbox.PrintableJSON(pretty)) + "\n"
			}
		}
	}
	if !d.Revealed {
		text += "\n" + p.Hanging("", "[type:length] replaces hidden values; --reveal shows them, which is recorded")
	}
	return p.Print("%s", text)
}

// printDeliveries writes the state of each plugin's delivery, and its attempts below.
func (p *program) printDeliveries(d *api.EventDetail, indent string) error {
	for _, del := range d.Deliveries {
		line := indent + del.Plugin + ": " + stateText(del.State)
		if del.Behind != "" {
			line += " behind " + del.Behind
		}
		if !del.DueAt.IsZero() {
			line += ", due " + p.Stamp(del.DueAt)
		}
		if del.Note != "" {
			line += " (" + del.Note + ")"
		}
		if err := p.Print("%s", p.Hanging(indent, strings.TrimPrefix(line, indent))); err != nil {
			return err
		}
		for i := range del.Attempts {
			if err := p.printAttempt(&del.Attempts[i], indent+"  "); err != nil {
				return err
			}
		}
	}
	return nil
}

// stateText returns a state, with an explanation if the word needs one.
func stateText(s inbox.DeliveryState) string {
	switch s {
	case inbox.StateBefore:
		return "before (the plugin started after it)"
	case inbox.StateFiltered:
		return "filtered (the plugin does not subscribe to such events)"
	}
	return string(s)
}

func (p *program) printAttempt(a *api.Attempt, indent string) error {
	line := fmt.Sprintf("%s  attempt %d  %s  %s", p.Stamp(a.StartedAt), a.Attempt, a.Outcome, console.Duration(time.Duration(a.Millis*float64(time.Millisecond))))
	if a.Fuel > 0 {
		line += fmt.Sprintf("  fuel %d", a.Fuel)
	}
	if a.Replay {
		line += fmt.Sprintf("  replay %d", a.Run)
	}
	if !a.Counted && a.Fate == inbox.Again {
		line += "  (not counted)"
	}
	if a.Reason != "" {
		line += "  " + a.Reason
	}
	text := p.Hanging(indent, line)
	if a.Log != "" {
		text += console.Lines(a.Log, indent+"  | ")
	}
	if a.LogCut {
		text += indent + "  | (cut)\n"
	}
	for i := range a.Fetches {
		text += p.Hanging(indent+"  ", fetchText(&a.Fetches[i]))
		if answer := a.Fetches[i].Answer; len(answer) > 0 {
			text += console.Lines(string(answer), indent+"  | ")
		}
	}
	for i := range a.Emitted {
		text += p.Hanging(indent+"  ", emittedText(&a.Emitted[i]))
	}
	for i := range a.Requests {
		text += p.Hanging(indent+"  ", p.requestText(&a.Requests[i]))
	}
	if err := p.Print("%s", text); err != nil || a.State == nil {
		return err
	}
	return p.printStateChange(a.State, indent+"  ")
}
