package bench

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
)

// lab is a run under way.
type lab struct {
	opt   Options
	dir   string
	made  int // directories
	found map[string][]float64
	left  []Left
	done  float64 // seconds that the trials made were expected to take
	total float64
	now   trial // under way
}

func (l *lab) rounds(t trial) int {
	if !l.opt.Quick {
		return t.rounds
	}
	return 1
}

// takes is how long a trial is expected to take, in seconds.
func (l *lab) takes(t trial) float64 {
	switch {
	case l.opt.Quick && t.large:
		return 0
	case l.opt.Quick:
		return t.takes / quicker
	case t.large:
		return t.takes * float64(l.largest()) / million10
	}
	return float64(t.rounds) * t.takes
}

// measure makes the rounds of a trial.
func (l *lab) measure(ctx context.Context, t trial) (err error) {
	if t.large && l.opt.Quick {
		return l.leave(t, "it takes minutes: run without --quick")
	}
	l.say(0, "")
	a, err := t.begin(ctx, l)
	var why errLeft
	if errors.As(err, &why) {
		return l.leave(t, why.Error())
	}
	if err != nil {
		return err
	}
	if a.end != nil {
		defer func() { err = errors.Join(err, a.end()) }()
	}
	rounds := l.rounds(t)
	for made := range rounds {
		if err := a.round(ctx); errors.As(err, &why) {
			return l.leave(t, why.Error())
		} else if err != nil {
			return err
		}
		l.say(float64(made+1)/float64(rounds), "")
	}
	return nil
}

// leave notes that the figures of a trial are not measured.
func (l *lab) leave(t trial, why string) error {
	for _, name := range t.yields {
		if wanted(l.opt, name) {
			l.left = append(l.left, Left{Name: name, Why: why})
		}
	}
	return nil
}

// say tells how far the run has come, with a part of the trial under way, and what takes long in it.
func (l *lab) say(part float64, remark string) {
	if l.opt.Say == nil {
		return
	}
	what := l.now.name
	if remark != "" {
		what += ": " + remark
	}
	const millis = 1e3
	l.opt.Say(int64(millis*(l.done+part*l.takes(l.now))), int64(millis*l.total), what)
}

// add notes what a round found.
func (l *lab) add(name string, value float64) { l.found[name] = append(l.found[name], value) }

// quicker is how many times less a round of a quick run does.
const quicker = 5

// scale is a number of things to do in a round, fewer in a quick run.
func (l *lab) scale(n int) int {
	if l.opt.Quick {
		return max(n/quicker, 1)
	}
	return n
}

// fresh returns a new directory.
func (l *lab) fresh() (string, error) {
	l.made++
	dir := l.dir + "/" + strconv.Itoa(l.made)
	return dir, os.Mkdir(dir, 0o700)
}

// figures makes results of what was found, in the order of the table.
func (l *lab) figures() []Figure {
	var list []Figure
	for _, g := range table {
		values := slices.Clone(l.found[g.name])
		if len(values) == 0 || !wanted(l.opt, g.name) {
			continue
		}
		slices.Sort(values)
		f := Figure{Name: g.name, Value: median(values), Unit: g.unit, Min: values[0], Max: values[len(values)-1], What: g.what}
		if g.op != "" {
			f.Target = g.op + " " + strconv.FormatFloat(g.bound, 'g', -1, 64)
			met := f.Value >= g.bound
			if g.op == "<=" {
				met = f.Value <= g.bound
			}
			f.Met = &met
		}
		list = append(list, f)
	}
	return list
}

// median of sorted values.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// quantile of sorted values.
func quantile(sorted []float64, q float64) float64 { return sorted[int(q*float64(len(sorted)-1))] }
