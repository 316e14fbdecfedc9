package cli

import (
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/cli/console"
	"inbox/inbox/torture"
)

// tortureCommand is for developers of inbox, and for operators that want to know whether their disk keeps flushed data.
func (p *program) tortureCommand() *cli.Command {
	return p.leaf(spec{
		name: "torture", usage: "test the promises of a server under kills and faults of the disk", formats: showFormats(), run: p.torture,
		about: "Starts this program as a child, sends events to it, kills it and takes its disk away. After every death it checks that no\n" +
			"answered event was lost, doubled or run out of order. Exit code 5 when a law was broken; the seed repeats the decisions.",
		flags: []cli.Flag{
			&cli.Uint64Flag{Name: "seed", DefaultText: "of the clock", Usage: "`N`, from which all decisions come"},
			&cli.IntFlag{Name: "rounds", DefaultText: "50, or what fits into --for", Usage: "`N` lives of the server"},
			&cli.DurationFlag{Name: "for", Usage: "begin no round after `DURATION`"},
			&cli.IntFlag{Name: "stored", Usage: "begin with stores of `N` events; a start must then take less than a second"},
			flag("soak", "inject no faults: send the events of an hour, and measure the server's use of the machine"),
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
	return p.tortured(report, err)
}

// tortured writes the report of a run that ended with err, and returns the command's error: broken laws first, then the failure
// or interruption of the run, then errors of the output.
func (p *program) tortured(report *torture.Report, err error) error {
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
		fault, err := torture.HooksFromEnv(p.Getenv)
		if err != nil {
			return err
		}
		return p.serveWith(c, fault)
	}
	return c
}
