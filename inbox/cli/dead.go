package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

// Kinds of dead letters.
const (
	kindDelivery = "delivery"
	kindEffect   = "effect"
)

func (p *program) deadCommand() *cli.Command {
	plugin := &cli.StringFlag{Name: "plugin", Usage: "dead letters of this plugin `NAME`"}
	kind := &cli.StringFlag{Name: "kind", Value: kindDelivery, Usage: "`KIND`: delivery, or effect for outgoing requests"}
	flags := func(more ...cli.Flag) []cli.Flag { return append(append(filterFlags(), plugin, kind), more...) }
	byKind := func(delivery, effect func(*cli.Context) error) func(*cli.Context) error {
		return func(c *cli.Context) error {
			switch word := c.String("kind"); word {
			case kindDelivery:
				return delivery(c)
			case kindEffect:
				return effect(c)
			default:
				return usage("--kind is %q, not delivery or effect", word)
			}
		}
	}
	resolveBy := func(verb string) func(*cli.Context) error {
		return byKind(func(c *cli.Context) error { return p.resolve(c, verb) }, func(c *cli.Context) error { return p.resolveEffects(c, verb) })
	}
	resolve := []cli.Flag{flag("all", "all dead letters"), dryRunFlag(), yesFlag(), reasonFlag()}
	return p.parent("dead", nil, "list, retry and discard dead deliveries",
		p.leaf(spec{
			name: "list", aliases: []string{"ls"}, usage: "list dead letters, the newest deaths first", args: "[ID…|SEQ…|-]", max: -1, remote: true,
			formats: listFormats(), run: byKind(p.deadList, p.deadEffects),
			flags: flags(flag("resolved", "also dead letters that were retried or discarded"), revealFlag(), reasonFlag()),
		}),
		p.leaf(spec{
			name: "show", aliases: []string{"get"}, usage: "show a dead event and its attempts", args: "ID|SEQ", min: 1, max: 1, remote: true,
			formats: showFormats(), flags: []cli.Flag{plugin, revealFlag(), reasonFlag()}, run: p.deadShow,
		}),
		p.leaf(spec{
			name: "retry", usage: "retry dead deliveries; the waiting events of a parked lane follow in order", args: "[ID…|SEQ…|-]", max: -1, remote: true,
			formats: listFormats(), flags: flags(resolve...), run: resolveBy("retry"),
		}),
		p.leaf(spec{
			name: "discard", usage: "discard dead deliveries; a parked lane continues with its next event", args: "[ID…|SEQ…|-]", max: -1, remote: true,
			formats: listFormats(), flags: flags(resolve...), run: resolveBy("discard"),
		}))
}

func (p *program) deadRows() *console.List[api.DeadLetter] {
	return console.NewList(&p.Console, func(l api.DeadLetter) string { return l.ID },
		console.Col("ID", func(l api.DeadLetter) string { return l.ID }),
		console.Col("PLUGIN", func(l api.DeadLetter) string { return l.Plugin }),
		console.Col("DIED", func(l api.DeadLetter) string { return p.Stamp(l.DiedAt) }),
		console.Col("EVENT", func(l api.DeadLetter) string { return eventName(l.Event, l.EventType) }),
		console.Col("KEY", func(l api.DeadLetter) string { return l.Key }),
		console.Col("ATTEMPTS", func(l api.DeadLetter) string { return fmt.Sprint(l.Attempt) }),
		console.Col("OUTCOME", func(l api.DeadLetter) string { return string(l.Outcome) }),
		console.Col("STATE", deadState),
		console.Col("REASON", func(l api.DeadLetter) string { return console.OrDash(l.Reason) }),
	)
}

func deadState(l api.DeadLetter) string {
	switch {
	case l.Resolution != "":
		return string(l.Resolution)
	case l.Parks:
		return "lane parked, " + waitText(l.Waiting, l.AtLeast)
	case l.Run != 0:
		return fmt.Sprintf("dead in replay %d", l.Run)
	}
	return "dead"
}

// waitText returns the number of events that wait in a parked lane, in words.
func waitText(n int64, atLeast bool) string {
	text := "1 waits"
	if n != 1 {
		text = fmt.Sprintf("%d wait", n)
	}
	if atLeast {
		return "at least " + text
	}
	return text
}

func (p *program) deadList(c *cli.Context) error {
	f, ids, err := p.selection(c)
	switch {
	case err != nil:
		return err
	case c.NArg() > 0 && len(ids) == 0:
		return endWithoutIDs(p, p.deadRows())
	}
	f.Plugin = c.String("plugin")
	short := p.shortTable(c, &f.Limit)
	client, err := p.client(c)
	if err != nil {
		return err
	}
	out := p.deadRows()
	err = client.EachDead(p.ctx, api.DeadQuery{
		Filter: f, IDs: ids, Resolved: c.Bool("resolved"), Reveal: api.Reveal{On: c.Bool("reveal"), Reason: c.String("reason")},
	}, out.Add)
	if err != nil {
		return err
	}
	if err := out.End(); err != nil {
		return err
	}
	short.end(out.Len())
	return nil
}

func (p *program) deadShow(c *cli.Context) error {
	client, err := p.client(c)
	if err != nil {
		return err
	}
	id, err := p.oneID(c)
	if err != nil {
		return err
	}
	plugin := c.String("plugin")
	reveal := api.Reveal{On: c.Bool("reveal"), Reason: c.String("reason")}
	deadLetters, err := client.DeadLetters(p.ctx, inbox.Filter{Plugin: plugin}, []string{id}, true, api.Reveal{})
	if err != nil {
		return err
	}
	if len(deadLetters) == 0 {
		return inbox.Errorf(inbox.NotFound, "", "event %s is not dead", id).WithHint("`inbox event show " + id + "` shows its deliveries")
	}
	d, err := client.Event(p.ctx, deadLetters[0].ID, reveal)
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(struct {
			Letters []api.DeadLetter `json:"dead_letters"`
			Event   api.EventDetail  `json:"event"`
		}{deadLetters, d})
	}
	if err := p.deadRows().All(deadLetters); err != nil {
		return err
	}
	if err := p.Print("\n"); err != nil {
		return err
	}
	return p.printEvent(&d)
}

// resolve retries or discards dead letters. A dry run selects them, and the operator confirms. Then exactly these are resolved.
func (p *program) resolve(c *cli.Context, verb string) error {
	req, err := p.resolveRequest(c)
	switch {
	case err != nil:
		return err
	case c.NArg() > 0 && len(req.IDs) == 0:
		return endWithoutIDs(p, p.deadRows())
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	req.Brief = !c.Bool("dry-run")
	out := p.deadRows()
	preview, err := client.EachResolved(p.ctx, verb, req, out.Add)
	switch {
	case err != nil:
		return err
	case preview.Count == 0:
		return p.reportNoneDead(len(req.IDs) > 0)
	case c.Bool("dry-run"):
		p.Say("%s would be %s", console.Plural(preview.Count, "delivery", "deliveries"), pastTense(verb))
		return out.End()
	}
	if len(req.IDs) == 0 || verb == "discard" { // a retry of named events needs no confirmation
		if err := p.Ask(c.Bool("yes"), "%s %s?%s", verbTitle(verb), console.Plural(preview.Count, "dead delivery", "dead deliveries"), consequence(verb, &preview)); err != nil {
			return err
		}
	}
	req.DryRun, req.Brief, req.DiedBefore = false, false, preview.AsOf // later deaths were not confirmed
	result, err := client.EachResolved(p.ctx, verb, req, out.Add)
	if err != nil {
		return err
	}
	return p.printResolved(verb, out, &result)
}

// resolveRequest returns the request for a dry run, with the selection of the flags and arguments.
func (p *program) resolveRequest(c *cli.Context) (req api.Resolve, err error) {
	req = api.Resolve{All: c.Bool("all"), Reason: c.String("reason"), DryRun: true}
	if req.Filter, req.IDs, err = p.selection(c); err != nil {
		return req, err
	}
	req.Filter.Plugin = c.String("plugin")
	if c.NArg() == 0 && !req.Filter.Narrow() && !req.All {
		return req, usage("no dead letters are selected").WithHint("name events, give a filter such as --plugin NAME, or --all")
	}
	return req, nil
}

// reportNoneDead reports that no selected delivery is dead. It returns an error only if ids were named.
func (p *program) reportNoneDead(named bool) error {
	if named {
		return inbox.Errorf(inbox.NotFound, "", "none of these deliveries is dead").WithHint("`inbox dead list` shows dead deliveries")
	}
	p.Say("no dead delivery matches")
	return p.deadRows().End()
}

func (p *program) printResolved(verb string, out *console.List[api.DeadLetter], result *api.Resolved) error {
	for _, f := range result.Failed {
		if err := out.Fail(f, "%s in plugin %s: %s", f.ID, f.Plugin, f.Error); err != nil {
			return err
		}
	}
	if err := out.End(); err != nil {
		return err
	}
	p.Say("%s %s", console.Plural(result.Count, "delivery was", "deliveries were"), pastTense(verb))
	if len(result.Failed) == 0 {
		return nil
	}
	return console.Incomplete("%s could not be %s", console.Plural(len(result.Failed), "delivery", "deliveries"), pastTense(verb))
}

func verbTitle(verb string) string {
	return map[string]string{"retry": "Retry", "discard": "Discard", "release": "Release", "drop": "Drop"}[verb]
}

func pastTense(verb string) string {
	return map[string]string{"retry": "retried", "discard": "discarded", "release": "released", "drop": "dropped"}[verb]
}

// consequence returns the further effects of a confirmation, in words.
func consequence(verb string, preview *api.Resolved) string {
	text := ""
	if preview.Parked > 0 {
		least := ""
		if preview.AtLeast {
			least = "at least "
		}
		text = fmt.Sprintf(" %s parked behind them, and %s%s.", console.Plural(preview.Parked, "lane is", "lanes are"), least,
			console.Plural(preview.Waiting, "later event will follow", "later events will follow"))
	}
	if verb == "discard" {
		text += " They will not be retried."
	}
	return text
}
