package cli

import (
	"context"

	"github.com/urfave/cli/v2"

	"inbox/inbox/config"
)

func (p *program) runServe(ctx context.Context, c *cli.Context, s *config.Settings) error {
	return usage("serve is not in this version of inbox")
}
