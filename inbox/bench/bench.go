// Package bench measures how close the program gets to the limits of a machine's disk and processor.
//
// Machines are noisy and disks differ, so the figures that count are ratios of two things measured side by side, round
// by round, in one run. Every figure is the median of its rounds; min and max are the worst and best round. What is
// compared with the targets in table.go, and docs/BENCHMARKS.md tells what was found.
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
	Dir   string   // on whose file system it measures; default: the system's directory for temporary files
	Quick bool     // one short round of each, and none of what needs millions of events
	Only  []string // names of figures, or beginnings of names; default: all
	Self  string   // this program, to be started as a server
	Peers string   // the program of inbox/bench/peers; empty: built if its source and Go are there
	// Say is told how far the run is, in milliseconds as it is expected to take them; default: nobody is.
	Say func(done, total int64, what string)
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
	Machine Machine  `json:"machine"`
	Figures []Figure `json:"figures"`
	Left    []Left   `json:"skipped,omitempty"`
}

// Left is a figure that was not measured, and why.
type Left struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Run measures. It fails with an Invalid error for names that do not exist, and with what went wrong otherwise. Then, and
// when it was interrupted, the report holds what was measured all the same.
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
	l := &lab{opt: o, dir: dir, found: map[string][]float64{}}
	r := &Report{Machine: describe(dir)}
	for _, t := range chosen {
		l.total += l.takes(t)
	}
	var failed error
	for _, t := range chosen {
		if ctx.Err() != nil {
			break
		}
		l.now = t
		if err := l.measure(ctx, t); err != nil && ctx.Err() == nil {
			failed = errors.Join(failed, fmt.Errorf("measure %s: %w", t.name, err))
		}
		l.done += l.takes(t)
		l.say(0, "")
	}
	r.Figures, r.Left = l.figures(), l.left
	return r, errors.Join(failed, ctx.Err())
}

// choose returns the trials that yield the wanted figures.
func choose(o Options) ([]trial, error) {
	for _, want := range o.Only {
		if !slices.ContainsFunc(table, func(g goal) bool { return strings.HasPrefix(g.name, want) }) {
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
		if slices.ContainsFunc(t.yields, func(name string) bool { return wanted(o, name) }) {
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
	name   string
	yields []string
	rounds int
	takes  float64 // seconds that a round takes on a machine like that of docs/BENCHMARKS.md: only progress is told by it
	large  bool    // needs millions of events; left out of quick runs
	begin  func(ctx context.Context, l *lab) (arms, error)
}

// arms are what a trial compares. round measures each once and adds what it found.
type arms struct {
	round func(ctx context.Context) error
	end   func() error // nil: nothing to tidy up
}

// errLeft is the reason why something cannot be measured here.
type errLeft string

// Error returns the reason.
func (e errLeft) Error() string { return string(e) }
