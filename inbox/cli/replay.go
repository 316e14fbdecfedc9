package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

func (p *program) replayCommand() *cli.Command {
	return p.leaf(spec{
		name: "replay", usage: "run stored events through plugins again", args: "[ID…|SEQ…|-]", max: -1, remote: true, formats: listFormats(),
		about: "Each event gets a new run, marked as a replay; the old runs are kept. Events are replayed in the order of the log, and there is no\n" +
			"default limit. An interrupt ends only this command: the server continues the replay, also after a restart.\n" +
			"With -o ids the command writes the ids of events that died in the replay, for use by other commands.",
		flags: append(filterFlags(),
			&cli.StringSliceFlag{Name: "plugin", Usage: "through plugin `NAME`; default: all plugins with a file"},
			&cli.StringFlag{Name: "only", Value: string(inbox.OnlyAll), Usage: "failed, missing (the plugin never attempted it) or all"},
			flag("all", "all events, when there is no filter"),
			&cli.StringFlag{Name: "rate", Usage: "start at most `N` runs per second, or with a unit, as in 50/s or 100/m"},
			&cli.StringFlag{Name: "effects", Usage: "`CHOICE` for the requests of plugins: send, hold or drop"},
			flag("keep-keys", "requests have the Idempotency-Key of the first run's: receivers drop what they know"),
			flag("on-top", "let plugins that keep state apply the events to their state of now"),
			flag("rebuild", "fold the state of one plugin again from the events that it settled, without their requests and emitted events"),
			dryRunFlag(), yesFlag(), reasonFlag(),
			flag("detach", "do not wait for the end"),
			flag("now", "when no server runs, run the replay in this command instead of in the next server"),
			flag("list", "list all replays"),
			&cli.Int64Flag{Name: "attach", Usage: "follow replay `NUMBER`"},
			&cli.Int64Flag{Name: "cancel", Usage: "end replay `NUMBER`"},
		),
		run: p.replay,
	})
}

func (p *program) replay(c *cli.Context) error {
	req, err := p.replayRequest(c)
	if err != nil {
		return err
	}
	if c.NArg() > 0 && len(req.IDs) == 0 {
		return endWithoutIDs(p, p.replayRows())
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	switch {
	case c.Bool("rebuild"):
		return p.rebuildState(c, client, req)
	case c.Bool("list"):
		return p.replayList(client)
	case c.IsSet("cancel"):
		r, err := client.CancelReplay(p.ctx, c.Int64("cancel"), api.ActionRequest{Reason: req.Reason})
		if err != nil {
			return err
		}
		return p.replayRows().All([]api.Replay{r})
	case c.IsSet("attach"):
		r, err := client.Replay(p.ctx, c.Int64("attach"))
		if err != nil {
			return err
		}
		return p.attach(client, &r)
	}
	return p.replayNew(c, client, req)
}

func (p *program) replayRequest(c *cli.Context) (req api.ReplayRequest, err error) {
	req = api.ReplayRequest{Only: inbox.Only(c.String("only")), Plugins: listValues(c, "plugin"), All: c.Bool("all"), OnTop: c.Bool("on-top"), Reason: c.String("reason")}
	req.Effects, req.KeepKeys = inbox.ReplayEffects(c.String("effects")), c.Bool("keep-keys")
	if req.Effects != "" && !req.Effects.Valid() {
		return req, usage("--effects is %q, not send, hold or drop", req.Effects)
	}
	if !slices.Contains([]inbox.Only{inbox.OnlyAll, inbox.OnlyFailed, inbox.OnlyMissing}, req.Only) {
		return req, usage("--only is %q, not failed, missing or all", req.Only)
	}
	if req.Rate, err = parseRate(c.String("rate")); err != nil {
		return req, err
	}
	if req.Filter, req.IDs, err = p.selection(c); err != nil {
		return req, err
	}
	other := c.Bool("list") || c.IsSet("attach") || c.IsSet("cancel")
	if c.NArg() == 0 && !req.Filter.Narrow() && !req.All && !other {
		return req, usage("no events are selected").WithHint("name events, give a filter such as --event workflow, or --all")
	}
	return req, nil
}

// parseRate parses a rate, such as "50", "50/s" or "100/m", and returns runs per second. Empty is 0, which means unbounded.
func parseRate(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(number, 64)
	per := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}[unit]
	if err != nil || per == 0 || n <= 0 || n > 1e6 {
		return 0, usage("--rate is %q, not a rate such as 50, 50/s or 100/m", text)
	}
	return n / per, nil
}

func (p *program) replayNew(c *cli.Context, client *api.Client, req api.ReplayRequest) error {
	req.DryRun = true
	preview, err := client.CreateReplay(p.ctx, req)
	if err != nil {
		return err
	}
	if preview.Matched == 0 {
		return p.endWithoutMatch(c, preview)
	}
	selected := fmt.Sprintf("%s through %s, from %s (%s) to %s (%s)", console.Plural(preview.Matched, "event", "events"), strings.Join(preview.Plugins, ", "),
		preview.First.ID, p.Stamp(preview.First.StoredAt), preview.Last.ID, p.Stamp(preview.Last.StoredAt))
	if c.Bool("dry-run") {
		p.Say("would replay %s", selected)
		if len(preview.Parts) == 0 {
			p.Say("%s", preview.Note)
		}
		return p.dryRun(client, req, preview)
	}
	if len(preview.KeepState) > 0 && !req.OnTop {
		return usage("%s has state, and replayed events would change the state of now", strings.Join(preview.KeepState, ", ")).
			WithHint("--on-top does that; --rebuild folds the state of one plugin again")
	}
	if err := p.askEffects(c.Bool("yes"), preview.MaySend, &req); err != nil {
		return err
	}
	if err := p.Ask(c.Bool("yes"), "Replay %s? These plugins will repeat their actions.", selected); err != nil {
		return err
	}
	if c.Bool("yes") {
		p.Say("replaying %s", selected)
	}
	req.DryRun = false
	return p.replayStored(c, client, req)
}

// endWithoutMatch reports that no event matches. A dry run also writes its result.
func (p *program) endWithoutMatch(c *cli.Context, preview api.Replay) error {
	p.Say("no event matches")
	if p.Format == "ids" || !c.Bool("dry-run") {
		return p.replayRows().End()
	}
	return p.replayRows().All([]api.Replay{preview})
}

// replayStored stores a replay. It follows the replay unless no server runs, or --detach is set. With --now it runs the replay itself.
func (p *program) replayStored(c *cli.Context, client *api.Client, req api.ReplayRequest) error {
	r, err := client.CreateReplay(p.ctx, req)
	if err != nil {
		return err
	}
	st, err := client.Status(p.ctx)
	switch {
	case err != nil:
		return p.reportInterrupt(r.ID, err)
	case !st.Serving && c.Bool("now"):
		return p.replayInProcess(c, r.ID)
	case !st.Serving:
		p.Say("replay %d is stored; the next `inbox serve` runs it", r.ID)
		return p.replayEnd(client, &r)
	case c.Bool("detach"):
		p.Say("replay %d runs; `inbox replay --attach %d` follows it", r.ID, r.ID)
		return p.replayEnd(client, &r)
	}
	return p.attach(client, &r)
}

// dryRun writes the result of a dry run: with -o ids the ids of the selected events, else the replay.
func (p *program) dryRun(client *api.Client, req api.ReplayRequest, preview api.Replay) error {
	if p.Format != "ids" || req.Only != inbox.OnlyAll {
		if p.Format == "ids" {
			return usage("--dry-run -o ids needs --only all: the failed or missing events are only found during the replay")
		}
		return p.replayRows().All([]api.Replay{preview})
	}
	return client.Events(p.ctx, req.Filter, req.IDs, func(e api.Event) error { return p.Print("%s\n", e.ID) })
}

// attach follows a replay until it ends.
func (p *program) attach(client *api.Client, r *api.Replay) error {
	bar := p.NewProgress()
	defer bar.End()
	var last int64
	var why string
	changed := p.Now()
	for r.State == inbox.ReplayRunning {
		done, total, remark := replayProgress(r)
		if now := p.Now(); done != last {
			last, changed, why = done, now, ""
		} else if now.Sub(changed) > 2*time.Second {
			why, changed = " · "+p.stallReason(client, r), now.Add(-time.Second) // so that it asks again in a second
		}
		bar.Show(done, total, strings.TrimPrefix(remark+why, " · "))
		err := pause(p.ctx, 200*time.Millisecond)
		var next api.Replay
		if err == nil {
			next, err = client.Replay(p.ctx, r.ID)
		}
		if err != nil {
			bar.End()
			return p.reportInterrupt(r.ID, err)
		}
		r = &next
	}
	bar.End()
	return p.replayEnd(client, r)
}

// stallReason returns the reason why a replay makes no progress, or "waits for its plugins" if it is unknown.
func (p *program) stallReason(client *api.Client, r *api.Replay) string {
	st, err := client.Status(p.ctx)
	if err != nil {
		return ""
	}
	for _, why := range st.Reasons {
		switch {
		case why.Plugin != "" && !slices.Contains(r.Plugins, why.Plugin):
		case slices.Contains([]string{"on_hold", "paused", "absent", "refused_file", "disk"}, why.Code), strings.HasPrefix(why.Message, "everything is paused"):
			return why.Message
		}
	}
	for i := range st.Plugins {
		if x := &st.Plugins[i]; x.State == inbox.FileAbsent && slices.Contains(r.Plugins, x.Name) {
			return "plugin " + x.Name + " has no file in the plugins folder"
		}
	}
	return "waits for its plugins"
}

// reportInterrupt returns err. After an interrupt it reports that the replay itself continues.
func (p *program) reportInterrupt(id int64, err error) error {
	if p.ctx.Err() != nil {
		p.Say("replay %d continues; `inbox replay --attach %d` follows it, --cancel %d ends it", id, id, id)
	}
	return err
}

// replayProgress returns the sums over the parts of a replay.
func replayProgress(r *api.Replay) (done, total int64, remark string) {
	var dead int64
	for _, part := range r.Parts {
		if part.Done {
			done += r.Matched
		} else {
			done += min(part.OK+part.Dead+part.Pending+part.Retried+part.Filtered+part.Waiting, r.Matched)
		}
		dead += part.Dead
	}
	if dead > 0 {
		remark = fmt.Sprintf("%d failed", dead)
	}
	return done, r.Matched * int64(max(len(r.Parts), 1)), remark
}

// replayEnd writes the result of a replay.
func (p *program) replayEnd(client *api.Client, r *api.Replay) error {
	var dead, waiting int64
	for _, part := range r.Parts {
		dead += part.Dead
		waiting += part.Waiting
	}
	if p.Format == "ids" {
		out := p.deadRows()
		if err := client.EachDead(p.ctx, api.DeadQuery{Resolved: true, Replay: r.ID}, out.Add); err != nil {
			return err
		}
		if err := out.End(); err != nil {
			return err
		}
	} else if err := p.replayRows().All([]api.Replay{*r}); err != nil {
		return err
	}
	switch {
	case r.State != inbox.ReplayDone:
		return nil
	case dead > 0:
		return console.Incomplete("%s in replay %d", console.Plural(dead, "run died", "runs died"), r.ID)
	case waiting > 0:
		return console.Incomplete("%s behind parked lanes; `inbox dead list` shows them", console.Plural(waiting, "run waits", "runs wait"))
	}
	return nil
}

func (p *program) replayList(client *api.Client) error {
	replays, err := client.Replays(p.ctx)
	if err != nil {
		return err
	}
	return p.replayRows().All(replays)
}

func (p *program) replayRows() *console.List[api.Replay] {
	sum := func(get func(api.ReplayPart) int64) func(api.Replay) string {
		return func(r api.Replay) string {
			if r.DryRun && len(r.Parts) == 0 && r.Matched > 0 {
				return "-"
			}
			var n int64
			for _, part := range r.Parts {
				n += get(part)
			}
			return fmt.Sprint(n)
		}
	}
	return console.NewList(&p.Console, func(r api.Replay) string { return fmt.Sprint(r.ID) },
		console.Col("REPLAY", func(r api.Replay) string {
			if r.ID == 0 {
				return "dry run"
			}
			return fmt.Sprint(r.ID)
		}),
		console.Col("STATE", func(r api.Replay) string { return console.OrDash(string(r.State)) }),
		console.Col("MATCHED", func(r api.Replay) string { return fmt.Sprint(r.Matched) }),
		console.Col("PLUGINS", func(r api.Replay) string { return strings.Join(r.Plugins, ",") }),
		console.Col("OK", sum(func(x api.ReplayPart) int64 { return x.OK })),
		console.Col("DEAD", sum(func(x api.ReplayPart) int64 { return x.Dead })),
		console.Col("SKIPPED", sum(func(x api.ReplayPart) int64 { return x.Pending + x.Filtered })),
		console.Col("RETRIED", sum(func(x api.ReplayPart) int64 { return x.Retried })),
		console.Col("WAITING", sum(func(x api.ReplayPart) int64 { return x.Waiting })),
		console.Col("DROPPED", droppedRequests),
		console.Col("CREATED", func(r api.Replay) string { return p.Stamp(r.CreatedAt) }),
	)
}
