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
)

func (p *program) replayCommand() *cli.Command {
	return p.leaf(spec{
		name: "replay", usage: "run stored events through plugins again", args: "[ID…|SEQ…|-]", max: -1, remote: true, formats: listFormats(),
		about: "Runs are new ones, marked as replays; the old ones are kept. Events go in the order of the log. There is no default\n" +
			"limit. Interrupting only stops looking on: the replay goes on in the server, and after a restart where it was.\n" +
			"With -o ids the ids of what died are written, so that they can be piped on.",
		flags: append(filterFlags(),
			&cli.StringSliceFlag{Name: "plugin", Usage: "through plugin `NAME`; default: all that have a file"},
			&cli.StringFlag{Name: "only", Value: string(inbox.OnlyAll), Usage: "failed, missing (the plugin never attempted it) or all"},
			flag("all", "all events, when there is no filter"),
			&cli.StringFlag{Name: "rate", Usage: "start at most `N` runs per second, or as in 50/s, 100/m"},
			dryRunFlag(), yesFlag(), reasonFlag(),
			flag("detach", "do not wait for the end"),
			flag("now", "when no server runs, run it in this command instead of with the next server"),
			flag("list", "list all replays"),
			&cli.Int64Flag{Name: "attach", Usage: "look on at replay `NUMBER`"},
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
		return p.replayRows().none()
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	switch {
	case c.Bool("list"):
		return p.replayList(client)
	case c.IsSet("cancel"):
		r, err := client.CancelReplay(p.ctx, c.Int64("cancel"), api.Deed{Reason: req.Reason})
		if err != nil {
			return err
		}
		return p.replayRows().all([]api.Replay{r})
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
	req = api.ReplayRequest{Only: inbox.Only(c.String("only")), Plugins: words(c, "plugin"), All: c.Bool("all"), Reason: c.String("reason")}
	if !slices.Contains([]inbox.Only{inbox.OnlyAll, inbox.OnlyFailed, inbox.OnlyMissing}, req.Only) {
		return req, usage("--only is %q, not failed, missing or all", req.Only)
	}
	if req.Rate, err = rate(c.String("rate")); err != nil {
		return req, err
	}
	if req.Filter, req.IDs, err = p.selection(c); err != nil {
		return req, err
	}
	other := c.Bool("list") || c.IsSet("attach") || c.IsSet("cancel")
	if c.NArg() == 0 && !req.Filter.Narrow() && !req.All && !other {
		return req, usage("nothing says which events are meant").WithHint("name events, give a filter such as --event workflow, or say --all")
	}
	return req, nil
}

// rate reads runs per second: "50", "50/s", "100/m".
func rate(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(number, 64)
	per := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}[unit]
	if err != nil || per == 0 || n <= 0 || n > 1e6 {
		return 0, usage("--rate is %q, not as in 50, 50/s or 100/m", text)
	}
	return n / per, nil
}

func (p *program) replayNew(c *cli.Context, client *api.Client, req api.ReplayRequest) error {
	req.DryRun = true
	would, err := client.CreateReplay(p.ctx, req)
	if err != nil {
		return err
	}
	if would.Matched == 0 {
		return p.nothingMatches(c, would)
	}
	what := fmt.Sprintf("%s through %s, from %s (%s) to %s (%s)", plural(would.Matched, "event", "events"), strings.Join(would.Plugins, ", "),
		would.First.ID, p.stamp(would.First.StoredAt), would.Last.ID, p.stamp(would.Last.StoredAt))
	if c.Bool("dry-run") {
		p.say("would replay %s", what)
		if len(would.Parts) == 0 {
			p.say("%s", would.Note)
		}
		return p.dryRun(client, req, would)
	}
	if err := p.ask(c, "Replay %s? What these plugins do, they will do again.", what); err != nil {
		return err
	}
	if c.Bool("yes") {
		p.say("replaying %s", what)
	}
	req.DryRun = false
	return p.replayStored(c, client, req)
}

// nothingMatches says so; a dry run is still answered.
func (p *program) nothingMatches(c *cli.Context, would api.Replay) error {
	p.say("no event matches")
	if p.format == "ids" || !c.Bool("dry-run") {
		return p.replayRows().end()
	}
	return p.replayRows().all([]api.Replay{would})
}

// replayStored stores a replay and looks on, unless nothing carries it out now.
func (p *program) replayStored(c *cli.Context, client *api.Client, req api.ReplayRequest) error {
	r, err := client.CreateReplay(p.ctx, req)
	if err != nil {
		return err
	}
	st, err := client.Status(p.ctx)
	switch {
	case err != nil:
		return p.goesOn(r.ID, err)
	case !st.Serving && c.Bool("now"):
		return p.replayHere(c, r.ID)
	case !st.Serving:
		p.say("replay %d is stored; it runs when `inbox serve` does", r.ID)
		return p.replayEnd(client, &r)
	case c.Bool("detach"):
		p.say("replay %d runs; `inbox replay --attach %d` looks on", r.ID, r.ID)
		return p.replayEnd(client, &r)
	}
	return p.attach(client, &r)
}

// dryRun writes what would be replayed: the events with -o ids, else the replay that would be.
func (p *program) dryRun(client *api.Client, req api.ReplayRequest, would api.Replay) error {
	if p.format != "ids" || req.Only != inbox.OnlyAll {
		if p.format == "ids" {
			return usage("--dry-run -o ids goes with --only all: which events the plugins failed is decided as the replay goes")
		}
		return p.replayRows().all([]api.Replay{would})
	}
	return client.Events(p.ctx, req.Filter, req.IDs, func(e api.Event) error { return p.print("%s\n", e.ID) })
}

// attach looks on until a replay ends.
func (p *program) attach(client *api.Client, r *api.Replay) error {
	bar := p.newProgress()
	defer bar.end()
	var last int64
	var why string
	moved := p.now()
	for r.State == inbox.JobRunning {
		done, total, remark := replayProgress(r)
		if now := p.now(); done != last {
			last, moved, why = done, now, ""
		} else if now.Sub(moved) > 2*time.Second {
			why, moved = " · "+p.holdsUp(client, r), now.Add(-time.Second) // and look again in a second
		}
		bar.show(done, total, strings.TrimPrefix(remark+why, " · "))
		err := pause(p.ctx, 200*time.Millisecond)
		var next api.Replay
		if err == nil {
			next, err = client.Replay(p.ctx, r.ID)
		}
		if err != nil {
			bar.end()
			return p.goesOn(r.ID, err)
		}
		r = &next
	}
	bar.end()
	return p.replayEnd(client, r)
}

// holdsUp says what a replay that does not go on waits for, as far as that can be found out.
func (p *program) holdsUp(client *api.Client, r *api.Replay) string {
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

// goesOn says, when an interrupt ended the looking on, that it did not end the replay.
func (p *program) goesOn(id int64, err error) error {
	if p.ctx.Err() != nil {
		p.say("replay %d goes on; `inbox replay --attach %d` looks on, --cancel %d ends it", id, id, id)
	}
	return err
}

// replayProgress adds up the parts of a replay.
func replayProgress(r *api.Replay) (done, total int64, remark string) {
	var dead int64
	for _, part := range r.Parts {
		if part.Done {
			done += r.Matched
		} else {
			done += min(part.OK+part.Dead+part.Pending+part.Revived+part.Filtered+part.Waiting, r.Matched)
		}
		dead += part.Dead
	}
	if dead > 0 {
		remark = fmt.Sprintf("%d failed", dead)
	}
	return done, r.Matched * int64(max(len(r.Parts), 1)), remark
}

// replayEnd writes what a replay came to.
func (p *program) replayEnd(client *api.Client, r *api.Replay) error {
	var dead, waiting int64
	for _, part := range r.Parts {
		dead += part.Dead
		waiting += part.Waiting
	}
	if p.format == "ids" {
		out := p.letterList()
		if err := client.EachDead(p.ctx, api.DeadQuery{Resolved: true, Replay: r.ID}, out.add); err != nil {
			return err
		}
		if err := out.end(); err != nil {
			return err
		}
	} else if err := p.replayRows().all([]api.Replay{*r}); err != nil {
		return err
	}
	switch {
	case r.State != inbox.JobDone:
		return nil
	case dead > 0:
		return some("%s in replay %d", plural(dead, "run died", "runs died"), r.ID)
	case waiting > 0:
		return some("%s behind parked lanes; `inbox dead list` shows them", plural(waiting, "run waits", "runs wait"))
	}
	return nil
}

func (p *program) replayList(client *api.Client) error {
	replays, err := client.Replays(p.ctx)
	if err != nil {
		return err
	}
	return p.replayRows().all(replays)
}

func (p *program) replayRows() *lister[api.Replay] {
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
	return list(p, func(r api.Replay) string { return fmt.Sprint(r.ID) },
		column[api.Replay]{"REPLAY", func(r api.Replay) string {
			if r.ID == 0 {
				return "dry run"
			}
			return fmt.Sprint(r.ID)
		}},
		column[api.Replay]{"STATE", func(r api.Replay) string { return orDash(string(r.State)) }},
		column[api.Replay]{"MATCHED", func(r api.Replay) string { return fmt.Sprint(r.Matched) }},
		column[api.Replay]{"PLUGINS", func(r api.Replay) string { return strings.Join(r.Plugins, ",") }},
		column[api.Replay]{"OK", sum(func(x api.ReplayPart) int64 { return x.OK })},
		column[api.Replay]{"DEAD", sum(func(x api.ReplayPart) int64 { return x.Dead })},
		column[api.Replay]{"LEFT OUT", sum(func(x api.ReplayPart) int64 { return x.Pending + x.Filtered })},
		column[api.Replay]{"REVIVED", sum(func(x api.ReplayPart) int64 { return x.Revived })},
		column[api.Replay]{"WAITING", sum(func(x api.ReplayPart) int64 { return x.Waiting })},
		column[api.Replay]{"CREATED", func(r api.Replay) string { return p.stamp(r.CreatedAt) }},
	)
}
