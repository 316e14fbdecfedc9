package cli

import (
	"strings"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

func (p *program) auditCommand() *cli.Command {
	return p.leaf(spec{
		name: "audit", usage: "list recorded actions, the newest first", remote: true,
		formats: []string{"table", "json", "jsonl"},
		about: "Every action that shows personal data or changes the deliveries of plugins is recorded, with its time, its actor (the user\n" +
			"of the socket, or a token) and its reason. Without --limit a table on a terminal has the newest 100.",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "action", Usage: "only this `ACTION`: " + strings.Join(api.AuditActions(), ", ")},
			&cli.StringFlag{Name: "actor", Usage: "only actions of `ACTOR`: token, token:NAME, a user such as uid:1000, or inbox for the program itself"},
			&cli.StringFlag{Name: "since", Usage: "at or after `WHEN`: 2h, 3d, 2026-11-20, \"2026-11-20 14:05\", today, or RFC 3339"},
			&cli.StringFlag{Name: "until", Usage: "before `WHEN`"},
			&cli.IntFlag{Name: "limit", DefaultText: "no limit", Usage: "at most `N`"},
		},
		run: p.audit,
	})
}

func (p *program) audit(c *cli.Context) error {
	f := inbox.AuditFilter{Action: c.String("action"), Actor: c.String("actor"), Limit: c.Int("limit")}
	if f.Limit < 0 {
		return usage("--limit is negative")
	}
	if !c.IsSet("limit") && p.Format == "table" && p.OutTerminal {
		f.Limit = tableLimit
	}
	var err error
	if f.Since, f.Until, err = p.timeRange(c); err != nil {
		return err
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	entries, err := client.Audit(p.ctx, f)
	if err != nil {
		return err
	}
	return console.NewList(&p.Console, nil,
		console.Col("AT", func(e api.AuditEntry) string { return p.Stamp(e.At) }),
		console.Col("ACTOR", func(e api.AuditEntry) string { return e.Actor }),
		console.Col("ACTION", func(e api.AuditEntry) string { return e.Action }),
		console.Col("TARGET", func(e api.AuditEntry) string { return e.Target }),
		console.Col("REASON", func(e api.AuditEntry) string { return console.OrDash(e.Reason) }),
	).All(entries)
}
