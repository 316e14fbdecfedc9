package cli

import (
	"fmt"
	"slices"
	"strings"

	"inbox/inbox"
	"inbox/inbox/api"
)

// deliveryList lists events by what became of them in plugins, and returns how many.
func (p *program) deliveryList(client *api.Client, f inbox.Filter, ids, outcomes []string) (int, error) {
	if known := inbox.Outcomes(); slices.ContainsFunc(outcomes, func(w string) bool { return !slices.Contains(known, w) }) {
		return 0, usage("--outcome is %q, not one or several of %s", strings.Join(outcomes, ","), strings.Join(known, ", "))
	}
	type line = api.DeliveryLine
	out := list(p, func(d line) string { return d.ID },
		column[line]{"ID", func(d line) string { return d.ID }},
		column[line]{"STORED", func(d line) string { return p.stamp(d.StoredAt) }},
		column[line]{"EVENT", func(d line) string { return eventName(d.Event, d.EventType) }},
		column[line]{"KEY", func(d line) string { return d.Key }},
		column[line]{"PLUGIN", func(d line) string { return d.Plugin }},
		column[line]{"STATE", func(d line) string { return deliveryState(d) }},
		column[line]{"OUTCOME", func(d line) string { return orDash(string(d.Outcome)) }},
		column[line]{"ATTEMPTS", func(d line) string { return fmt.Sprint(d.Attempts) }},
		column[line]{"DUE", func(d line) string { return orDash(p.stamp(d.DueAt)) }},
	)
	if err := client.Deliveries(p.ctx, f, ids, outcomes, out.add); err != nil {
		return out.n, err
	}
	return out.n, out.end()
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
