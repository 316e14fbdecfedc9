package cli

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

func (p *program) stateHistory(c *cli.Context) error {
	q, err := p.stateQuery(c)
	if err != nil {
		return err
	}
	q.Limit = c.Int("limit")
	short := p.shortTable(c, &q.Limit)
	client, err := p.client(c)
	if err != nil {
		return err
	}
	columns := []console.Column[api.State]{
		console.Col("CHANGE", func(s api.State) string { return fmt.Sprint(s.Change) }),
		console.Col("AT", func(s api.State) string { return p.Stamp(s.At) }),
		console.Col("EVENT ID", func(s api.State) string { return s.ID }),
		console.Col("ATTEMPT", func(s api.State) string {
			if s.Attempt == 0 {
				return changeWithoutAttempt(s)
			}
			return fmt.Sprint(s.Attempt)
		}),
		console.Col("REPLAY", func(s api.State) string { return console.OrDash(replayText(s.Run)) }),
		console.Col("VERSION", func(s api.State) string { return console.OrDash(versionText(s.StateVersion)) }),
		console.Col("SIZE", sizeText),
	}
	if q.Reveal.On {
		columns = append(columns, console.Col("DOCUMENT", func(s api.State) string { return console.OrDash(string(s.Document)) }))
	}
	out := console.NewList(&p.Console, func(s api.State) string { return fmt.Sprint(s.Change) }, columns...)
	plugin, key := c.Args().Get(0), c.Args().Get(1)
	if err := client.EachStateChange(p.ctx, plugin, key, q, out.Add); err != nil {
		return err
	}
	if out.Len() == 0 {
		return inbox.Errorf(inbox.NotFound, "", "plugin %s keeps no %s state for %s", plugin, q.Mode, key).
			WithHint("`inbox state list " + plugin + "` shows the keys that it keeps state for")
	}
	if err := out.End(); err != nil {
		return err
	}
	short.end(out.Len())
	return nil
}

func replayText(run int64) string {
	if run == 0 {
		return ""
	}
	return fmt.Sprint(run)
}

func sizeText(s api.State) string {
	if s.Deleted {
		return "deleted"
	}
	return console.Bytes(int64(s.Size))
}

func (p *program) stateDiff(c *cli.Context) error {
	q, err := p.stateQuery(c)
	if err != nil {
		return err
	}
	q.From, q.To = c.Int64("from"), c.Int64("to")
	client, err := p.client(c)
	if err != nil {
		return err
	}
	d, err := client.StateDiff(p.ctx, c.Args().Get(0), c.Args().Get(1), q)
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(d)
	}
	from := "no document"
	if d.From != nil {
		from = p.changeText(d.From)
	}
	if err := p.Pairs("plugin", d.To.Plugin, "key", d.To.Key+" ("+string(d.To.Mode)+")", "from", from, "to", p.changeText(&d.To)); err != nil {
		return err
	}
	if len(d.Changes) == 0 {
		p.Say("the documents are equal")
		return nil
	}
	if err := p.Print("\n"); err != nil {
		return err
	}
	return console.NewList(&p.Console, nil,
		console.Col("OP", func(v api.StateValue) string { return v.Op }),
		console.Col("POINTER", func(v api.StateValue) string { return console.OrDash(v.Pointer) }),
		console.Col("OLD", func(v api.StateValue) string { return valueText(v.Old) }),
		console.Col("NEW", func(v api.StateValue) string { return valueText(v.New) }),
	).All(d.Changes)
}

// changeText describes a change in one line.
func (p *program) changeText(s *api.State) string {
	return fmt.Sprintf("change %d of %s, by %s, %s", s.Change, p.Stamp(s.At), changedBy(*s), sizeText(*s))
}

func valueText(v json.RawMessage) string {
	if v == nil {
		return "-"
	}
	return string(inbox.PrintableJSON(v))
}

// printStateChange writes the change of state that an attempt made.
func (p *program) printStateChange(c *api.StateChange, indent string) error {
	line := fmt.Sprintf("state: change %d, deleted", c.Change)
	if !c.Deleted {
		line = fmt.Sprintf("state: change %d, %s", c.Change, console.Bytes(int64(c.Size)))
	}
	if c.StateVersion != 0 {
		line += fmt.Sprintf(", version %d", c.StateVersion)
	}
	text := p.Hanging(indent, line)
	if c.Document != nil {
		text += indentedJSON(c.Document, indent+"  ")
	}
	return p.Print("%s", text)
}

// changeWithoutAttempt names what an operator did: a reset deletes the document, a rebuild replaces it.
func changeWithoutAttempt(s api.State) string {
	if s.Deleted {
		return "reset"
	}
	return "rebuild"
}
