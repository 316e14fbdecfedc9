package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

func (p *program) stateCommand() *cli.Command {
	const about = "KEY is a key from `inbox state list` or from `inbox entity list`. For a plugin with key_by = \"customer_reference\" it may also be\n" +
		"a customer's reference."
	one := func(name, usage string, run func(*cli.Context) error, formats []string, more ...cli.Flag) *cli.Command {
		flags := append([]cli.Flag{&cli.StringFlag{Name: "mode", Value: string(inbox.Live), Usage: "live or test"}}, more...)
		return p.leaf(spec{
			name: name, usage: usage, about: about, args: "PLUGIN KEY", min: 2, max: 2, remote: true, formats: formats,
			flags: append(flags, revealFlag(), reasonFlag()), run: run,
		})
	}
	return p.parent("state", nil, "show the state documents that plugins keep, and reset one",
		one("get", "show a state document", p.stateGet, showFormats(),
			&cli.StringFlag{Name: "at", Usage: "as it was after an event, named by its seq or id, or at a time: 17, evt_…, 2h, 2026-11-20, as `MOMENT`"},
			&cli.Int64Flag{Name: "change", DefaultText: "the newest", Usage: "as it was after change `N` of the history"}),
		p.leaf(spec{
			name: "list", aliases: []string{"ls"}, usage: "list state documents", args: "[PLUGIN]", max: 1, remote: true, formats: listFormats(), run: p.stateList,
			about: "Without --limit a table on a terminal has the first 100; any other output has no limit.",
			flags: []cli.Flag{
				&cli.StringFlag{Name: "mode", Usage: "live or test"},
				&cli.StringFlag{Name: "prefix", Usage: "only keys that begin with `TEXT`"},
				&cli.StringFlag{Name: "since", Usage: "changed at or after `WHEN`: 2h, 3d, 2026-11-20, \"2026-11-20 14:05\", today, or RFC 3339"},
				&cli.StringFlag{Name: "until", Usage: "changed before `WHEN`"},
				&cli.IntFlag{Name: "limit", DefaultText: "no limit", Usage: "at most `N`"},
			},
		}),
		one("history", "list the changes of a state document, the newest first", p.stateHistory, listFormats(),
			&cli.IntFlag{Name: "limit", DefaultText: "no limit", Usage: "at most `N`"}),
		one("diff", "show the values that a change of a state document added, removed and changed", p.stateDiff, showFormats(),
			&cli.Int64Flag{Name: "from", DefaultText: "the one before --to", Usage: "begin with change `N`"},
			&cli.Int64Flag{Name: "to", DefaultText: "the newest", Usage: "end with change `N`"}),
		p.leaf(spec{
			name: "reset", usage: "delete a state document, also a damaged one", args: "PLUGIN KEY", min: 2, max: 2, remote: true, formats: showFormats(),
			about: about + "\nThe next event begins without a document. The history has the deletion. While a server runs, the plugin must be paused.",
			flags: []cli.Flag{&cli.StringFlag{Name: "mode", Value: string(inbox.Live), Usage: "live or test"}, yesFlag(), reasonFlag()}, run: p.stateReset,
		}))
}

// stateQuery returns the query of the flags that commands about one document share.
func (p *program) stateQuery(c *cli.Context) (api.StateQuery, error) {
	q := api.StateQuery{Mode: inbox.Mode(c.String("mode")), Reveal: api.Reveal{On: c.Bool("reveal"), Reason: c.String("reason")}}
	if !q.Mode.Valid() {
		return q, usage("--mode is %q, not live or test", q.Mode)
	}
	for _, name := range []string{"change", "from", "to"} {
		if c.IsSet(name) && c.Int64(name) < 1 {
			return q, usage("--%s is %d; changes are numbered from 1", name, c.Int64(name))
		}
	}
	if c.Int("limit") < 0 {
		return q, usage("--limit is negative")
	}
	return q, nil
}

func (p *program) stateGet(c *cli.Context) error {
	q, err := p.stateQuery(c)
	if err != nil {
		return err
	}
	q.Change = c.Int64("change")
	if q.At, err = p.stateMoment(c.String("at")); err != nil {
		return err
	}
	if q.At != "" && q.Change != 0 {
		return usage("--at and --change exclude each other")
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	s, err := client.State(p.ctx, c.Args().Get(0), c.Args().Get(1), q)
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(s)
	}
	err = p.Pairs("plugin", s.Plugin, "key", s.Key+" ("+string(s.Mode)+")", "change", fmt.Sprint(s.Change), "changed", p.Stamp(s.At),
		"by", changedBy(s), "state version", versionText(s.StateVersion), "size", console.Bytes(int64(s.Size)))
	if err != nil {
		return err
	}
	text := "\ndocument\n" + indentedJSON(s.Document, "  ")
	if !s.Revealed {
		text += "\n" + p.Hanging("", "[type:length] replaces values; --reveal shows them, which is recorded")
	}
	return p.Print("%s", text)
}

// stateMoment converts a moment for the API, which does not know the operator's time zone.
func (p *program) stateMoment(text string) (string, error) {
	_, isSeq := inbox.ParseSeq(text)
	_, isID := inbox.EventSeq(text)
	if text == "" || isSeq || isID {
		return text, nil
	}
	at, err := p.When(text)
	if err != nil {
		return "", usage("--at: %w", err).WithHint("the seq or the id of an event names a moment too")
	}
	return at.UTC().Format(time.RFC3339Nano), nil
}

// changedBy names the attempt that made a change.
func changedBy(s api.State) string {
	if s.Attempt == 0 {
		return "an operator (" + changeWithoutAttempt(s) + "), after " + s.ID
	}
	text := fmt.Sprintf("%s, attempt %d", s.ID, s.Attempt)
	if s.Run != 0 {
		text += fmt.Sprintf(" of replay %d", s.Run)
	}
	return text
}

// versionText returns a state_version, empty for a release that declares none.
func versionText(version int) string {
	if version == 0 {
		return ""
	}
	return fmt.Sprint(version)
}

// indentedJSON returns JSON in indented lines that are safe for terminals.
func indentedJSON(value json.RawMessage, indent string) string {
	pretty, err := json.MarshalIndent(value, indent, "  ")
	if err != nil {
		return indent + console.OneLine(string(value)) + "\n"
	}
	return indent + string(inbox.PrintableJSON(pretty)) + "\n"
}

func (p *program) stateList(c *cli.Context) (err error) {
	f := inbox.StateFilter{Plugin: c.Args().First(), Mode: inbox.Mode(c.String("mode")), Prefix: c.String("prefix"), Limit: c.Int("limit")}
	switch {
	case f.Mode != "" && !f.Mode.Valid():
		return usage("--mode is %q, not live or test", f.Mode)
	case f.Limit < 0:
		return usage("--limit is negative")
	}
	if f.Since, f.Until, err = p.timeRange(c); err != nil {
		return err
	}
	short := p.shortTable(c, &f.Limit)
	client, err := p.client(c)
	if err != nil {
		return err
	}
	out := console.NewList(&p.Console, func(s api.State) string { return s.Key },
		console.Col("KEY", func(s api.State) string { return s.Key }),
		console.Col("PLUGIN", func(s api.State) string { return s.Plugin }),
		console.Col("MODE", func(s api.State) string { return string(s.Mode) }),
		console.Col("CHANGES", func(s api.State) string { return fmt.Sprint(s.Change) }),
		console.Col("VERSION", func(s api.State) string { return console.OrDash(versionText(s.StateVersion)) }),
		console.Col("SIZE", func(s api.State) string { return console.Bytes(int64(s.Size)) }),
		console.Col("CHANGED", func(s api.State) string { return p.Stamp(s.At) }),
		console.Col("EVENT ID", func(s api.State) string { return s.ID }))
	if err := client.EachState(p.ctx, f, out.Add); err != nil {
		return err
	}
	if err := out.End(); err != nil {
		return err
	}
	if out.Len() == 0 {
		p.Say("no state document matches")
	}
	short.end(out.Len())
	return nil
}
