package cli

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

func (p *program) statusCommand() *cli.Command {
	return p.leaf(spec{
		name: "status", usage: "show the state of the server, the store and the plugins, and all problems", remote: true, formats: showFormats(),
		about: "With --check it exits with 5 when anything needs attention: parked lanes, dead deliveries, plugins on hold or\n" +
			"refused, requests in the quarantine, signed webhooks that were refused and not kept, a full disk, lag.",
		flags: []cli.Flag{flag("check", "exit with 5 when anything needs attention")}, run: p.status,
	})
}

func (p *program) status(c *cli.Context) error {
	client, err := p.client(c)
	if err != nil {
		return err
	}
	st, err := client.Status(p.ctx)
	if err != nil {
		return err
	}
	if p.Format == "json" {
		err = p.Document(st)
	} else {
		err = p.printStatus(&st)
	}
	if err == nil && c.Bool("check") && len(st.Reasons) > 0 {
		return console.Incomplete("%s attention", console.Plural(len(st.Reasons), "thing needs", "things need"))
	}
	return err
}

func (p *program) printStatus(st *api.Status) error {
	if err := p.printFigures(st); err != nil {
		return err
	}
	if err := section(p, p.pluginRows(), st.Plugins); err != nil {
		return err
	}
	if err := section(p, p.replayRows(), st.Replays); err != nil {
		return err
	}
	if err := section(p, p.originRows(), st.Effects); err != nil {
		return err
	}
	if len(st.Reasons) == 0 {
		return nil
	}
	text := "\nneeds attention\n"
	for _, r := range st.Reasons {
		line := r.Message
		if r.Hint != "" {
			line += " (" + r.Hint + ")"
		}
		text += p.Hanging("  ! ", line)
	}
	return p.Print("%s", text)
}

func (p *program) printFigures(st *api.Status) error {
	server := "runs"
	if !st.Serving {
		server = "does not run"
	}
	return p.Pairs(
		"server", server, "version", st.Version, "events", fmt.Sprintf("%d, the last at %s", st.Events, p.Stamp(st.LastAt)),
		"duplicates", fmt.Sprint(st.Copies), "store", fmt.Sprintf("%s, WAL %s, %s free", console.Bytes(st.FileBytes), console.Bytes(st.WALBytes), console.Bytes(int64(st.FreeBytes))),
		"quarantine", quarantineText(&st.Quarantine), "dropped", droppedText(&st.Quarantine), "expires", p.expiryText(&st.Quarantine),
		"refused since yesterday", refusedText(st.Refused),
	)
}

// refusedText returns the numbers of refused requests by reason.
func refusedText(refused []api.Refusal) string {
	parts := make([]string, 0, len(refused))
	for _, r := range refused {
		text := fmt.Sprintf("%d %s", r.Count, r.Why)
		if r.Lost {
			text += " (signed, not kept)"
		}
		if r.Source != "" {
			text += " by " + r.Source
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// section writes an empty line and a list. It writes nothing for an empty list.
func section[T any](p *program, l *console.List[T], items []T) error {
	if len(items) == 0 {
		return nil
	}
	if err := p.Print("\n"); err != nil {
		return err
	}
	return l.All(items)
}

func (p *program) originRows() *console.List[api.EffectOrigin] {
	count := func(n int64) string { return fmt.Sprint(n) }
	return console.NewList(&p.Console, func(o api.EffectOrigin) string { return o.Origin },
		console.Col("REQUESTS OF", func(o api.EffectOrigin) string { return o.Plugin }),
		console.Col("TO", func(o api.EffectOrigin) string { return o.Origin }),
		console.Col("WAITING", func(o api.EffectOrigin) string { return count(o.Waiting) }),
		console.Col("HELD", func(o api.EffectOrigin) string { return count(o.Held) }),
		console.Col("DEAD", func(o api.EffectOrigin) string { return count(o.Dead) }),
		console.Col("OLDEST", func(o api.EffectOrigin) string { return console.OrDash(p.Stamp(o.OldestAt)) }),
	)
}
