package cli

import (
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/cli/console"
	"inbox/inbox/torture"
)

// tortureCommand is for developers of inbox, and for operators who want to test whether their disk keeps flushed data.
func (p *program) tortureCommand() *cli.Command {
	return p.leaf(spec{
		name: "torture", usage: "test the promises of a server while it is killed and its disk fails", formats: showFormats(), run: p.torture,
		about: "It starts this program as a child, sends events to it, kills it and makes its disk fail. After every kill it checks that no\n" +
			"answered event was lost, repeated or run out of order. It exits with 5 when a law was broken; --seed repeats the decisions.",
		flags: []cli.Flag{
			&cli.Uint64Flag{Name: "seed", DefaultText: "from the clock", Usage: "seed `N` of all random decisions"},
			&cli.IntFlag{Name: "rounds", DefaultText: "50, or as many as fit into --for", Usage: "start the server `N` times"},
			&cli.DurationFlag{Name: "for", Usage: "start no round after `DURATION`"},
			&cli.IntFlag{Name: "stored", Usage: "start with stores of `N` events; a start must then take less than a second"},
			flag("soak", "inject no faults: send the events of an hour, and measure the resources that the server uses"),
			&cli.StringFlag{Name: "dir", Usage: "create the stores in `DIR`, on the file system under test"},
			&cli.StringSliceFlag{Name: "only", Usage: "only faults whose name contains `TEXT`"},
		},
	})
}

func (p *program) torture(c *cli.Context) error {
	o := torture.Options{
		Seed: c.Uint64("seed"), Rounds: c.Int("rounds"), For: c.Duration("for"), Dir: c.String("dir"), Only: c.StringSlice("only"), Stored: c.Int("stored"),
		Logf: p.Say,
	}
	if !c.IsSet("seed") {
		o.Seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	if o.Stored > 0 {
		o.StartBound = time.Second
	}
	run := torture.Run
	if c.Bool("soak") {
		run = torture.Soak
	}
	report, err := run(p.ctx, o)
	if report == nil {
		return err
	}
	return p.printTorture(report, err)
}

// printTorture writes the report of a run that ended with err, and returns the error of the command. Broken laws take precedence over the
// failure or interruption of the run and over errors of the output.
func (p *program) printTorture(report *torture.Report, err error) error {
	var write error
	if p.Format == "json" {
		write = p.Document(report)
	} else {
		write = report.Table(p.Out)
	}
	if len(report.Broken) == 0 {
		return errors.Join(err, write)
	}
	for _, text := range report.Broken {
		p.Say("%s", text)
	}
	if err != nil {
		p.Say("the run did not finish: %v", err)
	}
	return &console.ExitError{Code: console.ExitIncomplete, Err: inbox.Errorf(inbox.Internal, "", "%s, with --seed %d; the store is kept in %s",
		console.Plural(len(report.Broken), "law was broken", "laws were broken"), report.Seed, report.Kept)}
}

// torturedCommand is `inbox serve` with faults between its packages; see package torture.
func (p *program) torturedCommand() *cli.Command {
	c := p.serveCommand()
	c.Name, c.Hidden = "__tortured", true
	c.Action = func(c *cli.Context) error {
		hooks, err := torture.HooksFromEnv(p.Getenv)
		if err != nil {
			return err
		}
		return p.serveWith(c, hooks)
	}
	return c
}
