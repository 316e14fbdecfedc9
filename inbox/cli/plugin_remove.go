package cli

import (
	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
)

func (p *program) removeCommand() *cli.Command {
	return p.leaf(spec{
		name: "remove", aliases: []string{"rm", "forget"}, usage: "forget a plugin whose file was taken away", args: "NAME", min: 1, max: 1, remote: true,
		formats: showFormats(), flags: []cli.Flag{yesFlag(), reasonFlag()}, run: p.pluginRemove,
		about: "It deletes the plugin's place in the log, its lanes, attempts, logs, dead letters and releases. A file of that name\n" +
			"is a new plugin after it. Without it a plugin whose file is gone keeps its place for the day it comes back.",
	})
}

func (p *program) pluginRemove(c *cli.Context) error {
	client, err := p.client(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	d, err := client.Plugin(p.ctx, name, "")
	if err != nil {
		return err
	}
	if d.State == inbox.FileAbsent { // else the server says why not
		err := p.ask(c, "This forgets plugin %s for good: its place in the log (%d), %s, %s and all its attempts.",
			d.Name, d.Cursor, plural(d.Dead, "dead letter", "dead letters"), plural(len(d.Releases), "release", "releases"))
		if err != nil {
			return err
		}
	}
	gone, err := client.Remove(p.ctx, name, api.Deed{Reason: c.String("reason")})
	if err != nil {
		return err
	}
	if p.format == "json" {
		return p.document(gone)
	}
	return p.pairs("forgotten", gone.Plugin, "modules deleted", plural(gone.Releases, "module", "modules"))
}
