package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

func (p *program) effectCommand() *cli.Command {
	flags := append(filterFlags(),
		&cli.StringFlag{Name: "plugin", Usage: "requests of this plugin `NAME`"},
		&cli.StringSliceFlag{Name: "state", Usage: "`STATE`: waiting, retry, done, dead, discarded or held"},
		&cli.StringFlag{Name: "origin", Usage: "requests to this `ORIGIN`, as in https://api.example.com"})
	resolve := append(filterFlags(),
		&cli.StringFlag{Name: "plugin", Usage: "requests of this plugin `NAME`"},
		&cli.StringFlag{Name: "origin", Usage: "requests to this `ORIGIN`, as in https://api.example.com"},
		flag("all", "all that can be"), dryRunFlag(), yesFlag(), reasonFlag())
	return p.parent("effect", nil, "list, show, release and drop the requests that plugins asked for",
		p.leaf(spec{
			name: "list", aliases: []string{"ls"}, usage: "list outgoing requests, the newest first", args: "[EVENT…|-]", max: -1, remote: true,
			formats: listFormats(), flags: flags, run: p.effectList,
			about: "Arguments are ids or seqs of the events that caused the requests.",
		}),
		p.leaf(spec{
			name: "show", aliases: []string{"get"}, usage: "show an outgoing request with its tries and answers", args: "NUMBER", min: 1, max: 1, remote: true,
			formats: showFormats(), flags: []cli.Flag{revealFlag(), reasonFlag()}, run: p.effectShow,
		}),
		p.leaf(spec{
			name: "release", usage: "send requests that a replay held", args: "[NUMBER…|-]", max: -1, remote: true,
			formats: listFormats(), flags: resolve, run: func(c *cli.Context) error { return p.resolveEffects(c, "release") },
		}),
		p.leaf(spec{
			name: "drop", usage: "give up requests that are held, waiting or tried again", args: "[NUMBER…|-]", max: -1, remote: true,
			formats: listFormats(), flags: resolve, run: func(c *cli.Context) error { return p.resolveEffects(c, "drop") },
			about: "A try that runs is not interrupted. The requests of a lane that wait behind a dropped one go on.",
		}))
}

func (p *program) effectRows() *console.List[api.Effect] {
	return console.NewList(&p.Console, func(e api.Effect) string { return fmt.Sprint(e.ID) },
		console.Col("ID", func(e api.Effect) string { return fmt.Sprint(e.ID) }),
		console.Col("PLUGIN", func(e api.Effect) string { return e.Plugin }),
		console.Col("CREATED", func(e api.Effect) string { return p.Stamp(e.CreatedAt) }),
		console.Col("REQUEST", func(e api.Effect) string { return e.Method + " " + e.Origin }),
		console.Col("KEY", func(e api.Effect) string { return e.Key }),
		console.Col("STATE", effectState),
		console.Col("TRIES", func(e api.Effect) string { return fmt.Sprint(e.Tries) }),
		console.Col("DUE", func(e api.Effect) string { return console.OrDash(p.Stamp(e.DueAt)) }),
		console.Col("WHY", func(e api.Effect) string { return console.OrDash(e.Why) }),
	)
}

func effectState(e api.Effect) string {
	switch {
	case e.Parks:
		return "dead, lane parked"
	case e.State == inbox.EffectWaiting && e.DueAt.IsZero():
		return "waiting behind another"
	}
	return string(e.State)
}

func (p *program) effectList(c *cli.Context) error {
	f, ids, err := p.selection(c)
	switch {
	case err != nil:
		return err
	case c.NArg() > 0 && len(ids) == 0:
		return endWithoutIDs(p, p.effectRows())
	}
	q := api.EffectQuery{Filter: f, IDs: ids, Origin: c.String("origin")}
	q.Plugin = c.String("plugin")
	for _, word := range listValues(c, "state") {
		if !slices.Contains(inbox.EffectStates(), inbox.EffectState(word)) {
			return usage("--state is %q, not one or several of waiting, retry, done, dead, discarded, held", word)
		}
		q.States = append(q.States, inbox.EffectState(word))
	}
	return p.listEffects(c, q)
}

// listEffects writes the effects of a query. On a terminal the table is bounded, unless --limit is set.
func (p *program) listEffects(c *cli.Context, q api.EffectQuery) error {
	short := p.shortTable(c, &q.Limit)
	client, err := p.client(c)
	if err != nil {
		return err
	}
	out := p.effectRows()
	if err := client.EachEffect(p.ctx, q, out.Add); err != nil {
		return err
	}
	if err := out.End(); err != nil {
		return err
	}
	short.end(out.Len())
	return nil
}

func (p *program) effectShow(c *cli.Context) error {
	id, err := effectNumber(c.Args().First())
	if err != nil {
		return err
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	d, err := client.Effect(p.ctx, id, api.Reveal{On: c.Bool("reveal"), Reason: c.String("reason")})
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(d)
	}
	return p.printEffect(&d)
}

func effectNumber(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, usage("%q is not the number of an outgoing request", text).WithHint("`inbox effect list` shows the numbers")
	}
	return id, nil
}

func (p *program) printEffect(d *api.EffectDetail) error {
	body := ""
	switch {
	case d.Raw:
		body = "the bytes of its event"
	case d.BodyBase64 != nil:
		body = fmt.Sprintf("%d bytes that are not JSON (-o json has them)", len(d.BodyBase64))
	case d.Body != nil:
		body = console.OneLine(string(d.Body))
	}
	var headers []string
	for _, h := range d.Headers {
		headers = append(headers, h.Name+": "+h.Value)
	}
	err := p.Pairs(
		"id", fmt.Sprint(d.ID), "plugin", d.Plugin, "event", d.EventID, "key", d.Key+" ("+string(d.Mode)+")", "request", d.Method+" "+d.URL,
		"headers", strings.Join(headers, ", "), "headers with secrets", strings.Join(d.SecretNames, ", "), "body", body, "note", d.Note,
		"idempotency key", d.Idempotent, "then", d.Then, "state", effectState(d.Effect), "created", p.Stamp(d.CreatedAt), "due", p.Stamp(d.DueAt),
		"finished", p.Stamp(d.FinishedAt), "tries", fmt.Sprintf("%d, %d of them counted", d.Tries, d.Counted),
	)
	if err != nil {
		return err
	}
	return section(p, p.tryRows(), d.List)
}

func (p *program) tryRows() *console.List[api.Try] {
	return console.NewList(&p.Console, func(y api.Try) string { return fmt.Sprint(y.Try) },
		console.Col("TRY", func(y api.Try) string { return fmt.Sprint(y.Try) }),
		console.Col("STARTED", func(y api.Try) string { return p.Stamp(y.StartedAt) }),
		console.Col("TOOK", func(y api.Try) string { return fmt.Sprintf("%.1f ms", y.Millis) }),
		console.Col("STATUS", func(y api.Try) string {
			if y.Status == 0 {
				return "–"
			}
			return fmt.Sprint(y.Status)
		}),
		console.Col("THEN", func(y api.Try) string { return string(y.Fate) }),
		console.Col("WHY", func(y api.Try) string { return console.OrDash(y.Why) }),
		console.Col("ANSWER", func(y api.Try) string { return console.OrDash(console.OneLine(string(y.Body))) }),
	)
}

// deadEffects lists dead effects, for `inbox dead list --kind effect`.
func (p *program) deadEffects(c *cli.Context) error {
	if c.Bool("resolved") {
		return usage("--resolved lists deliveries only").WithHint("`inbox effect list --state discarded` lists discarded requests")
	}
	f, ids, err := p.selection(c)
	switch {
	case err != nil:
		return err
	case c.NArg() > 0 && len(ids) == 0:
		return endWithoutIDs(p, p.effectRows())
	}
	f.Plugin = c.String("plugin")
	return p.listEffects(c, api.EffectQuery{Filter: f, IDs: ids, States: []inbox.EffectState{inbox.EffectDead}})
}

// requestText returns a request that an attempt asked for.
func (p *program) requestText(r *api.AttemptRequest) string {
	text := fmt.Sprintf("effect %d  %s %s  %s", r.ID, r.Method, r.Origin,
		effectState(api.Effect{State: r.State, Parks: r.Parks, DueAt: r.DueAt}))
	switch {
	case r.Status != 0:
		text += fmt.Sprintf("  status %d", r.Status)
	case r.Why != "":
		text += "  " + r.Why
	}
	if r.State == inbox.EffectRetry {
		text += "  due " + p.Stamp(r.DueAt)
	}
	return text
}
