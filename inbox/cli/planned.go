package cli

import (
	"maps"
	"slices"

	"github.com/urfave/cli/v2"
)

// plannedCommands returns hidden commands that are planned and not in this version, with hints by name. Each fails with its hint, which
// names a replacement, so that operators do not take the name for a typing mistake.
func plannedCommands(hints map[string]string) []*cli.Command {
	var commands []*cli.Command
	for _, name := range slices.Sorted(maps.Keys(hints)) {
		commands = append(commands, &cli.Command{
			Name: name, Hidden: true, SkipFlagParsing: true, HideHelp: true,
			Action: func(c *cli.Context) error {
				hint := hints[name]
				if hint == "" {
					hint = "inbox --help lists the commands"
				}
				return usage("%s is not in this version of inbox", c.Command.HelpName).WithHint(hint)
			},
		})
	}
	return commands
}

func (p *program) helpCommand() *cli.Command {
	return p.leaf(spec{name: "help", usage: "show the help of a command", args: "[COMMAND…]", max: -1, run: func(c *cli.Context) error {
		args := append([]string{"inbox"}, c.Args().Slice()...)
		app := p.app()
		p.wrapHelp(app)
		return app.RunContext(p.ctx, append(args, "--help"))
	}})
}
