package cli

import (
	"fmt"
	"slices"
	"strings"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

// deliveryList writes the deliveries with one of the outcomes, and returns their number.
func (p *program) deliveryList(client *api.Client, f inbox.Filter, ids, outcomes []string) (int, error) {
	if known := inbox.Outcomes(); slices.ContainsFunc(outcomes, func(w string) bool { return !slices.Contains(known, w) }) {
		return 0, usage("--outcome is %q, not one or several of %s", strings.Join(outcomes, ","), strings.Join(known, ", "))
	}
	type line = api.DeliveryLine
	out := console.NewList(&p.Console, func(d line) string { return d.ID },
		console.Col("ID", func(d line) string { return d.ID }),
		console.Col("STORED", func(d line) string { return p.Stamp(d.StoredAt) }),
		console.Col("EVENT", func(d line) string { return eventName(d.Event, d.EventType) }),
		console.Col("KEY", func(d line) string { return d.Key }),
		console.Col("PLUGIN", func(d line) string { return d.Plugin }),
		console.Col("STATE", func(d line) string { return deliveryState(d) }),
		console.Col("OUTCOME", func(d line) string { return console.OrDash(string(d.Outcome)) }),
		console.Col("ATTEMPTS", func(d line) string { return fmt.Sprint(d.Attempts) }),
		console.Col("DUE", func(d line) string { return console.OrDash(p.Stamp(d.DueAt)) }),
	)
	if err := client.Deliveries(p.ctx, f, ids, outcomes, out.Add); err != nil {
		return out.Len(), err
	}
	return out.Len(), out.End()
}

func deliveryState(d api.DeliveryLine) string {
	text := string(d.State)
	if d.Behind != "" {
		text += " behind " + d.Behind
	}
	if d.Note != "" {
		text += " (" + d.Note + ")"
	}
	return text
}
