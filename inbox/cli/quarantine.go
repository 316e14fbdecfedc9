package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

// quarantineText returns the size and the bounds of the quarantine, in words. It is empty if the quarantine was never used.
func quarantineText(q *api.Quarantine) string {
	if q.Count == 0 && q.Dropped == 0 {
		return ""
	}
	text := fmt.Sprintf("%d of %s, %s of %s", q.Count, console.Plural(q.MaxCount, "request", "requests"), console.Bytes(q.Bytes), console.Bytes(q.MaxBytes))
	if rest := q.Count - q.CouldPass; rest > 0 {
		text += fmt.Sprintf("; %d without a well-formed signature", rest)
	}
	return text
}

// droppedText returns the number of dropped requests by reason, in words. It is empty if none was dropped.
func droppedText(q *api.Quarantine) string {
	if q.Dropped == 0 {
		return ""
	}
	var causes []string
	for _, cause := range slices.Sorted(maps.Keys(q.DroppedBy)) {
		causes = append(causes, fmt.Sprintf("%s %d", cause, q.DroppedBy[cause]))
	}
	return fmt.Sprintf("%d (%s), %d of them with a well-formed signature", q.Dropped, strings.Join(causes, ", "), q.DroppedCouldPass)
}

// expiryText returns the expiry of the oldest request in the quarantine, in words.
func (p *program) expiryText(q *api.Quarantine) string {
	if q.OldestExpires.IsZero() {
		return ""
	}
	age := time.Duration(q.MaxAgeSeconds) * time.Second
	return fmt.Sprintf("the oldest at %s; each is kept for %s", p.Stamp(q.OldestExpires), console.Duration(age))
}

func discardSpec(p *program, source cli.Flag) spec {
	return spec{
		name: "discard", usage: "delete refused requests from the quarantine", remote: true, formats: showFormats(),
		about: "Deleted requests can no longer be admitted. Before, 'inbox secret check' explains them, and 'inbox secret recheck' admits\n" +
			"those that pass. --why missing,malformed deletes only requests that no secret can match.",
		flags: []cli.Flag{
			source, &cli.StringFlag{Name: "why", Usage: "only requests with these `FAULTS` of the signature: " + strings.Join(inbox.SignatureFaults(), ", ")},
			yesFlag(), reasonFlag(),
		},
		run: p.secretDiscard,
	}
}

func (p *program) secretDiscard(c *cli.Context) error {
	req := api.DiscardRequest{Source: c.String("source"), Reason: c.String("reason")}
	for word := range strings.SplitSeq(c.String("why"), ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		if !slices.Contains(inbox.SignatureFaults(), word) {
			return usage("--why contains %q", word).WithHint("its values are " + strings.Join(inbox.SignatureFaults(), ", "))
		}
		req.Why = append(req.Why, word)
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	target := "all requests in the quarantine"
	if len(req.Why) > 0 {
		target = "requests refused as " + strings.Join(req.Why, " or ") + " in the quarantine"
	}
	if req.Source != "" {
		target += " of source " + req.Source
	}
	st, err := client.Status(p.ctx)
	if err != nil {
		return err
	}
	if st.Quarantine.Count > 0 {
		if err := p.Ask(c.Bool("yes"), "Delete %s? The quarantine has %s in all.", target, console.Plural(st.Quarantine.Count, "request", "requests")); err != nil {
			return err
		}
	}
	result, err := client.Discard(p.ctx, req)
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(result)
	}
	return p.Pairs("deleted", fmt.Sprint(result.Discarded))
}
