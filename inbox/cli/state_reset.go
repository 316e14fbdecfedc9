package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
)

func (p *program) stateReset(c *cli.Context) error {
	mode, plugin, key := inbox.Mode(c.String("mode")), c.Args().Get(0), c.Args().Get(1)
	if !mode.Valid() {
		return usage("--mode is %q, not live or test", mode)
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	if err := p.Ask(c.Bool("yes"), "This deletes the %s state document of plugin %s for %s. Its history stays.", mode, plugin, key); err != nil {
		return err
	}
	s, err := client.ResetState(p.ctx, plugin, key, mode, c.String("reason"))
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(s)
	}
	return p.Print("%s", p.Hanging("", fmt.Sprintf("plugin %s begins anew for %s (%s): change %d deleted its document", s.Plugin, s.Key, s.Mode, s.Change)))
}
