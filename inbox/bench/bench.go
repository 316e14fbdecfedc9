// Package bench measures how close the program gets to the limits of a machine's disk and processor.
//
// Machines are noisy and disks differ. So the important figures are ratios of two rates that were measured side by side, round by
// round, in one run. Every figure is the median of its rounds; min and max are its smallest and largest value. table.go has the
// targets, and docs/BENCHMARKS.md the results.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"inbox/inbox"
)

// Options configure a run. The zero value of a field means the default in its comment.
type Options struct {
	Dir   string   // parent of the stores, on the file system to measure; default: the system's temporary directory
	Quick bool     // one short round of each trial, without the trials that need millions of events
	Only  []string // names of figures, or prefixes of names; default: all
	Self  string   // path of this program, which is started as a server
	Peers string   // the program of inbox/bench/peers; empty: it is built from source, which needs Go and a checkout
	// Progress is called with the expected time of the work that is done and of all work, in milliseconds. Default: not called.
	Progress func(done, total int64, what string)
}

// Figure is one result.
type Figure struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"` // the median
	Unit   string  `json:"unit"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Target string  `json:"target,omitempty"` // such as ">= 0.75"
	Met    *bool   `json:"met,omitempty"`    // nil without a target
	What   string  `json:"what"`
}

// Report is the result of a run.
type Report struct {
	Machine Machine   `json:"machine"`
	Figures []Figure  `json:"figures"`
	Skipped []Skipped `json:"skipped,omitempty"`
}

// Skipped is a figure that was not measured.
type Skipped struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Run runs the trials. The error is Invalid for unknown names in Only. After other errors, and after an interruption, the report
// has the figures that were measured.
func Run(ctx context.Context, o Options) (*Report, error) {
	chosen, err := choose(o)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Dir, "inbox-bench-")
	if err != nil {
		return nil, inbox.Errorf(inbox.Invalid, "make a directory to measure in", "%w", err).WithHint("choose one with --dir")
	}
	defer os.RemoveAll(dir)
	l := &lab{opt: o, dir: dir, values: map[string][]float64{}}
	r := &Report{Machine: describe(dir)}
	for _, t := range chosen {
		l.total += l.expected(t)
	}
	var failed error
	for _, t := range chosen {
		if ctx.Err() != nil {
			break
		}
		l.current = t
		if err := l.measure(ctx, t); err != nil && ctx.Err() == nil {
			failed = errors.Join(failed, fmt.Errorf("measure %s: %w", t.name, err))
		}
		l.done += l.expected(t)
		l.progress(0, "")
	}
	r.Figures, r.Skipped = l.figures(), l.skipped
	return r, errors.Join(failed, ctx.Err())
}

// choose returns the trials that measure the wanted figures.
func choose(o Options) ([]trial, error) {
	for _, want := range o.Only {
		if !slices.ContainsFunc(table, func(g figureSpec) bool { return strings.HasPrefix(g.name, want) }) {
			names := make([]string, len(table))
			for i := range table {
				names[i] = table[i].name
			}
			e := inbox.Errorf(inbox.Invalid, "", "there is no figure %s", want)
			if near := inbox.Nearest(want, names); near != "" {
				return nil, e.WithHint("did you mean " + near + "?")
			}
			return nil, e.WithHint("the figures are: " + strings.Join(names, " "))
		}
	}
	var chosen []trial
	for _, t := range trials {
		if slices.ContainsFunc(t.figures, func(name string) bool { return wanted(o, name) }) {
			chosen = append(chosen, t)
		}
	}
	return chosen, nil
}

func wanted(o Options, name string) bool {
	return len(o.Only) == 0 || slices.ContainsFunc(o.Only, func(want string) bool { return strings.HasPrefix(name, want) })
}

// trial measures some figures, round by round.
type trial struct {
	name    string
	figures []string
	rounds  int
	seconds float64 // time of a round on the machine of docs/BENCHMARKS.md, only for the progress
	large   bool    // needs millions of events; quick runs skip it
	begin   func(ctx context.Context, l *lab) (comparison, error)
}

// comparison has the functions of a trial. round measures every side of the comparison once and adds the values.
type comparison struct {
	round func(ctx context.Context) error
	end   func() error // cleans up; may be nil
}

// errSkipped is the reason why a trial cannot run on this machine.
type errSkipped string

// Error returns the reason.
func (e errSkipped) Error() string { return string(e) }
