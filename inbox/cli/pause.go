package cli

import (
	"github.com/urfave/cli/v2"

	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

// failedPlugin is the JSON of a plugin for which an action failed.
type failedPlugin struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// actOnPlugins pauses or resumes plugins. After an error it continues with the next plugin.
func (p *program) actOnPlugins(c *cli.Context, client *api.Client, verb string, names []string) error {
	rows, failed := p.pluginRows(), 0
	for _, name := range names {
		x, err := client.Act(p.ctx, name, verb, api.ActionRequest{Reason: c.String("reason")})
		switch {
		case err != nil && (len(names) == 1 || p.ctx.Err() != nil):
			return err
		case err != nil:
			failed++
			if err := rows.Fail(failedPlugin{Name: name, Error: err.Error()}, "%s: %s", name, err); err != nil {
				return err
			}
			continue
		}
		if err := rows.Add(x); err != nil {
			return err
		}
		if verb == "pause" && x.Running > 0 {
			p.Say("plugin %s: %s", name, console.Plural(x.Running, "earlier attempt is still running", "earlier attempts are still running"))
		}
	}
	if err := rows.End(); err != nil {
		return err
	}
	if failed > 0 {
		return console.Incomplete("%s could not be %sd", console.Plural(failed, "plugin", "plugins"), verb)
	}
	return nil
}

func (p *program) pluginPause(c *cli.Context) error {
	if c.Bool("all") == c.Args().Present() {
		return usage("name plugins, or give --all").WithHint("usage: inbox plugin pause NAME")
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	names := c.Args().Slice()
	if c.Bool("all") {
		plugins, err := client.Plugins(p.ctx)
		if err != nil {
			return err
		}
		for i := range plugins {
			if !plugins[i].CreatedAt.IsZero() || plugins[i].Disabled != "" { // other files are not plugins yet
				names = append(names, plugins[i].Name)
			}
		}
	}
	return p.actOnPlugins(c, client, "pause", names)
}

func (p *program) pluginResume(c *cli.Context) error {
	if c.Bool("all") == c.Args().Present() {
		return usage("name plugins, or give --all for all paused plugins and for the pause of `inbox serve --paused`").WithHint("usage: inbox plugin resume NAME")
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	if c.Args().Present() {
		return p.actOnPlugins(c, client, "resume", c.Args().Slice())
	}
	st, err := client.ResumeAll(p.ctx, api.ActionRequest{Reason: c.String("reason")})
	if err != nil {
		return err
	}
	return p.pluginRows().All(st.Plugins)
}
