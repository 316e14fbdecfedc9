package cli

import (
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/bench"
	"inbox/inbox/cli/console"
)

func (p *program) benchCommand() *cli.Command {
	return p.leaf(spec{
		name: "bench", usage: "measure this machine's disk and processor, and how close the program gets to their limits", formats: showFormats(),
		about: "Every figure with a target is a ratio of two measurements in the same run; docs/BENCHMARKS.md explains them. The command works in a\n" +
			"temporary directory and removes it. It takes nine or ten minutes, more than half of them for ten million events, and keeps the\n" +
			"processor and the disk busy. It exits with 5 when a target is missed, or when the directory is not on a disk.",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "measure on the file system of `DIR` instead of the file system of temporary files"},
			&cli.BoolFlag{Name: "quick", Usage: "take less than half a minute: one short round of each figure, without millions of events"},
			&cli.StringSliceFlag{Name: "only", Usage: "measure only figures whose names begin with `NAME`"},
			&cli.StringFlag{Name: "profile", Usage: "write a profile of the processor's time to `FILE`, for go tool pprof"},
			&cli.StringFlag{Name: "peers", Usage: "`PROGRAM` built from inbox/bench/peers, to compare with other queues"},
		},
		run: p.bench,
	})
}

func (p *program) bench(c *cli.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if file := c.String("profile"); file != "" {
		f, err := os.Create(file)
		if err != nil {
			return usage("%v", err)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	bar := p.NewProgress()
	bar.Share = true
	report, err := bench.Run(p.ctx, bench.Options{
		Dir: c.String("dir"), Quick: c.Bool("quick"), Only: c.StringSlice("only"), Peers: c.String("peers"), Self: self,
		Progress: func(done, total int64, what string) { bar.Show(done, total, what) },
	})
	bar.End()
	if report == nil {
		return err
	}
	if werr := p.benchReport(report); werr != nil {
		return werr
	}
	if err != nil {
		return err
	}
	return benchError(report)
}

// benchError returns the error of a finished run, or nil when every target is met.
func benchError(r *bench.Report) error {
	if !r.Machine.Valid {
		return &console.ExitError{Code: console.ExitIncomplete, Err: inbox.Errorf(inbox.Invalid, "", "these figures are not valid: %s", r.Machine.Why)}
	}
	missed := 0
	for _, f := range r.Figures {
		if f.Met != nil && !*f.Met {
			missed++
		}
	}
	if missed > 0 {
		return &console.ExitError{Code: console.ExitIncomplete, Err: inbox.Errorf(inbox.Internal, "", "%d figures miss their targets", missed).
			WithHint("docs/BENCHMARKS.md names the limit of each figure; other work on the machine lowers all of them")}
	}
	return nil
}

func (p *program) benchReport(r *bench.Report) error {
	if p.Format == "json" {
		return p.Document(r)
	}
	m := r.Machine
	if err := p.Pairs("cpu", fmt.Sprintf("%s, %d cores", m.CPU, m.Cores), "system", m.OS+" "+m.Kernel+", "+m.Go, "disk", m.FileSystem+" at "+m.Dir,
		"database", m.SQLite+", synchronous="+m.Synchronous, "bodies", strconv.Itoa(m.BodyBytes)+" B"); err != nil {
		return err
	}
	rows := [][]string{{"FIGURE", "MEDIAN", "UNIT", "MIN", "MAX", "TARGET", "", "WHAT"}}
	for _, f := range r.Figures {
		rows = append(rows, []string{f.Name, formatFigure(f.Value), f.Unit, formatFigure(f.Min), formatFigure(f.Max), f.Target, metText(f.Met), f.What})
	}
	if err := p.Print("\n"); err != nil {
		return err
	}
	if err := p.Table(rows); err != nil {
		return err
	}
	for _, l := range r.Skipped {
		p.Say("%s was skipped: %s", l.Name, l.Why)
	}
	return nil
}

// formatFigure formats a figure with three significant digits.
func formatFigure(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func metText(m *bool) string {
	switch {
	case m == nil:
		return ""
	case *m:
		return "met"
	}
	return "missed"
}
