package cli

import (
	"context"
	"log/slog"

	"github.com/urfave/cli/v2"

	"inbox/inbox/serve"
)

// replayInProcess runs a stored replay in this process: it runs a server without webhooks until the replay ends. After an interrupt the
// next server continues the replay.
func (p *program) replayInProcess(c *cli.Context, id int64) error {
	s, err := p.settings(c)
	if err != nil {
		return err
	}
	if err := p.close(); err != nil { // serve opens the store again
		return err
	}
	s.Admin, s.Health = "", ""
	log := slog.New(slog.DiscardHandler)
	if p.verbose {
		log = p.logger(s, false)
	}
	ctx, stop := context.WithCancel(p.ctx)
	defer stop()
	ready, ended := make(chan serve.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- serve.Run(ctx, s, serve.Options{
			NoWebhooks: true, NoSecret: true, Log: log, Version: version(), Ready: func(a serve.Addresses) { ready <- a },
		})
	}()
	select {
	case err := <-ended:
		return err
	case at := <-ready:
		client := socketClient(at.Socket)
		r, err := client.Replay(ctx, id)
		if err == nil {
			err = p.attach(client, &r)
		}
		stop()
		if serr := <-ended; err == nil {
			err = serr
		}
		return err
	}
}
