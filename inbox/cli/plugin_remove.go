package cli

import (
	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

func (p *program) removeCommand() *cli.Command {
	return p.leaf(spec{
		name: "remove", aliases: []string{"rm", "forget"}, usage: "forget a plugin whose file was removed", args: "NAME", min: 1, max: 1, remote: true,
		formats: showFormats(), flags: []cli.Flag{yesFlag(), reasonFlag()}, run: p.pluginRemove,
		about: "It deletes the plugin's position in the log, its lanes, attempts, logs, dead letters and releases. Afterwards a file with\n" +
			"that name is a new plugin. Without this command, a plugin without a file keeps its position until the file returns.",
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
	if d.State == inbox.FileAbsent { // otherwise the server returns the error
		err := p.Ask(c.Bool("yes"), "This permanently deletes plugin %s: its position in the log (%d), %s, %s and all its attempts.",
			d.Name, d.Cursor, console.Plural(d.Dead, "dead letter", "dead letters"), console.Plural(len(d.Releases), "release", "releases"))
		if err != nil {
			return err
		}
	}
	gone, err := client.Remove(p.ctx, name, api.ActionRequest{Reason: c.String("reason")})
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(gone)
	}
	return p.Pairs("forgotten", gone.Plugin, "modules deleted", console.Plural(gone.Releases, "module", "modules"))
}
