package cli

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

func (p *program) entityCommand() *cli.Command {
	return p.parent("entity", []string{"entities", "key", "keys"}, "list verifications and customers, and show their timelines",
		p.leaf(spec{
			name: "list", aliases: []string{"ls"}, usage: "list verifications and customers, the newest first", remote: true, formats: listFormats(),
			flags: append(filterFlags(),
				flag("open", "only those that started and have not completed"),
				&cli.StringFlag{Name: "older-than", Usage: "only those whose newest event is at least `AGE` old, as in 72h or 3d"}),
			run: p.entityList,
		}),
		p.leaf(spec{
			name: "show", aliases: []string{"get"}, usage: "show the timeline of a verification or customer", args: "KEY", min: 1, max: 1,
			about:  "KEY is a key from `inbox entity list`, or a customer's reference, which shows all keys with that reference.",
			remote: true, formats: showFormats(),
			flags: []cli.Flag{&cli.StringFlag{Name: "mode", Usage: "live or test; default: both"}, revealFlag(), reasonFlag()}, run: p.entityShow,
		}),
		p.leaf(spec{
			name: "link", usage: "tie a verification to a customer reference that its payloads do not carry", args: "KEY", min: 1, max: 1, remote: true,
			formats: showFormats(),
			about: "Events of KEY that arrive from now on get the reference, unless their payloads have one. Plugins with key_by = \"customer_reference\"\n" +
				"get them in the customer's order and with the customer's state. Stored events keep their order; `inbox replay --key KEY` runs them\n" +
				"again with the reference.",
			flags: []cli.Flag{
				&cli.StringFlag{Name: "customer-reference", Usage: "`REFERENCE` of the customer"},
				&cli.StringFlag{Name: "mode", Value: string(inbox.Live), Usage: "live or test"},
				flag("replace", "KEY may be linked to another reference"),
				flag("ahead", "KEY may have no event yet"),
				reasonFlag(),
			},
			run: p.entityLink,
		}))
}

func (p *program) entityList(c *cli.Context) error {
	f, err := p.filter(c)
	if err != nil {
		return err
	}
	var age time.Duration
	if text := c.String("older-than"); text != "" {
		if age, err = console.Span(text); err != nil {
			return usage("--older-than: %w", err)
		}
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	entities, err := client.Entities(p.ctx, f, c.Bool("open"), age)
	if err != nil {
		return err
	}
	if len(entities) == 0 {
		p.reportNoMatch(&f, "verification")
	}
	return console.NewList(&p.Console, func(e api.Entity) string { return e.Key },
		console.Col("KEY", func(e api.Entity) string { return e.Key }),
		console.Col("MODE", func(e api.Entity) string { return string(e.Mode) }),
		console.Col("REFERENCE", func(e api.Entity) string {
			if e.Linked {
				return e.CustomerReference + " (linked)"
			}
			return console.OrDash(e.CustomerReference)
		}),
		console.Col("VERDICT", func(e api.Entity) string { return string(e.Verdict) }),
		console.Col("OPEN", func(e api.Entity) string { return yesNo(e.Open) }),
		console.Col("EVENTS", func(e api.Entity) string { return fmt.Sprint(e.Events) }),
		console.Col("LATE", func(e api.Entity) string { return fmt.Sprint(e.Late) }),
		console.Col("COPIES", func(e api.Entity) string { return fmt.Sprint(e.Copies) }),
		console.Col("LAST", func(e api.Entity) string { return p.Stamp(e.LastAt) }),
	).All(entities)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (p *program) entityShow(c *cli.Context) error {
	client, err := p.client(c)
	if err != nil {
		return err
	}
	modes := []inbox.Mode{inbox.Live, inbox.Test}
	if m := inbox.Mode(c.String("mode")); m != "" {
		if !m.Valid() {
			return usage("--mode is %q, not live or test", m)
		}
		modes = []inbox.Mode{m}
	}
	timelines, err := p.timelines(client, modes, c.Args().First(), api.Reveal{On: c.Bool("reveal"), Reason: c.String("reason")})
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(timelines)
	}
	for i := range timelines {
		if i > 0 {
			if err := p.Print("\n"); err != nil {
				return err
			}
		}
		if err := p.printTimeline(&timelines[i]); err != nil {
			return err
		}
	}
	return nil
}

// timelines returns the timelines of a key, or, if no event has that key, of all keys with that customer reference.
func (p *program) timelines(client *api.Client, modes []inbox.Mode, key string, v api.Reveal) ([]api.Timeline, error) {
	var found []api.Timeline
	var first error
	for _, mode := range modes {
		t, err := client.Timeline(p.ctx, mode, key, v)
		switch {
		case err == nil:
			found = append(found, t)
		case inbox.KindOf(err) != inbox.NotFound:
			return nil, err
		case first == nil:
			first = err
		}
		if err == nil || len(found) > 0 {
			continue
		}
		entities, err := client.Entities(p.ctx, inbox.Filter{CustomerReference: key, Mode: mode}, false, 0)
		if err != nil {
			return nil, err
		}
		for _, e := range entities {
			if t, err = client.Timeline(p.ctx, mode, e.Key, v); err != nil {
				return nil, err
			}
			found = append(found, t)
		}
	}
	if len(found) == 0 {
		return nil, inbox.Errorf(inbox.NotFound, "", "no event has the key or reference %q", key).WithHint("`inbox entity list` shows all keys")
	}
	return found, nil
}

func (p *program) printTimeline(t *api.Timeline) error {
	if err := p.Print("%s (%s)\n", console.OneLine(t.Key), t.Mode); err != nil {
		return err
	}
	for i := range t.Events {
		d := &t.Events[i]
		line := fmt.Sprintf("%s  %s  %s  %s", p.Stamp(d.ReceivedAt), d.ID, eventName(d.Event.Event, d.EventType), d.Verdict)
		if m := marks(d.Event); m != "-" {
			line += "  " + m
		}
		if n := d.Copies.Count; n > 0 {
			line += fmt.Sprintf("  came again %s until %s", console.Plural(n, "time", "times"), p.Stamp(d.Copies.LastAt))
		}
		if d.CausedBy != nil {
			line += "  caused by " + causeText(d.CausedBy)
		}
		if err := p.Print("%s", p.Hanging("", line)); err != nil {
			return err
		}
		if err := p.printDeliveries(d, "    "); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) entityLink(c *cli.Context) error {
	req := api.LinkRequest{
		Mode: inbox.Mode(c.String("mode")), Key: c.Args().First(), Reference: c.String("customer-reference"), Replace: c.Bool("replace"), Ahead: c.Bool("ahead"),
		Reason: c.String("reason"),
	}
	if req.Reference == "" {
		return usage("a link needs --customer-reference").WithHint("as in inbox entity link qoreid/workflow/7 --customer-reference cust-1")
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	l, err := client.LinkEntity(p.ctx, req)
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(l)
	}
	for _, plugin := range l.Waiting {
		p.Say("plugin %s has not run all events of %s that were stored before; they run apart from the later ones", plugin, l.Key)
	}
	text := fmt.Sprintf("%s (%s) is linked to the customer reference %s, for events after #%d", l.Key, l.Mode, l.Reference, l.After)
	if l.Before != "" {
		text += ", in place of " + l.Before
	}
	return p.Print("%s", p.Hanging("", text))
}
