package cli

import (
	"context"

	"github.com/urfave/cli/v2"

	"inbox/inbox/config"
	"inbox/inbox/serve"
)

// runServe runs the server in the foreground.
func (p *program) runServe(ctx context.Context, c *cli.Context, s *config.Settings) error {
	return serve.Run(ctx, s, serve.Options{
		Demo: c.Bool("demo"), NoSecret: c.Bool("no-secret"), Paused: c.Bool("paused"),
		Stdout: p.out, Log: p.logger(s), Version: version(),
	})
}
