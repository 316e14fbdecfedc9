package cli

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

// notWithRebuild lists the flags of a replay that mean nothing for a rebuild.
var notWithRebuild = []string{"only", "rate", "effects", "keep-keys", "on-top", "detach", "now", "list", "attach", "cancel", "limit"}

// rebuildState folds the state of a plugin again.
func (p *program) rebuildState(c *cli.Context, client *api.Client, req api.ReplayRequest) error {
	for _, name := range notWithRebuild {
		if c.IsSet(name) {
			return usage("--rebuild and --%s exclude each other", name)
		}
	}
	if len(req.Plugins) != 1 {
		return usage("--rebuild folds the state of one plugin, and %d are named", len(req.Plugins)).WithHint("name it with --plugin NAME")
	}
	plugin := req.Plugins[0]
	req.DryRun = true
	preview, err := client.CreateReplay(p.ctx, req)
	if err != nil {
		return err
	}
	if preview.Matched == 0 {
		return p.endWithoutMatch(c, preview)
	}
	whose := "of every lane"
	if !req.All {
		whose = fmt.Sprintf("of the lanes of %s", console.Plural(preview.Matched, "event", "events"))
	}
	if c.Bool("dry-run") {
		p.Say("would fold the state of plugin %s %s again", plugin, whose)
		return p.replayRows().All([]api.Replay{preview})
	}
	if err := p.Ask(c.Bool("yes"), "Fold the state of plugin %s %s again? It replaces the documents of now.", plugin, whose); err != nil {
		return err
	}
	done, err := p.followRebuild(client, plugin, api.RebuildRequest{IDs: req.IDs, Filter: req.Filter, All: req.All, Reason: req.Reason})
	if err != nil {
		return err
	}
	return p.rebuiltRows().All([]api.Rebuilt{done})
}

// followRebuild asks for a rebuild and shows its progress until it ends. An interrupt ends the rebuild too.
func (p *program) followRebuild(client *api.Client, plugin string, req api.RebuildRequest) (done api.Rebuilt, err error) {
	bar := p.NewProgress()
	defer bar.End()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		done, err = client.Rebuild(p.ctx, plugin, req)
	}()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ended:
			return done, err
		case <-look.C:
			if now, err := client.Rebuilding(p.ctx, plugin); err == nil && now.Running {
				bar.Show(min(now.Seq, now.Head), now.Head, "folding")
			}
		}
	}
}

func (p *program) rebuiltRows() *console.List[api.Rebuilt] {
	return console.NewList(&p.Console, func(r api.Rebuilt) string { return r.Plugin },
		console.Col("PLUGIN", func(r api.Rebuilt) string { return r.Plugin }),
		console.Col("RELEASE", func(r api.Rebuilt) string { return r.Release }),
		console.Col("EVENTS", func(r api.Rebuilt) string { return fmt.Sprint(r.Events) }),
		console.Col("LANES", func(r api.Rebuilt) string { return fmt.Sprint(r.Lanes) }),
		console.Col("CHANGED", func(r api.Rebuilt) string { return fmt.Sprint(r.Changed) }),
		console.Col("DELETED", func(r api.Rebuilt) string { return fmt.Sprint(r.Deleted) }),
	)
}
