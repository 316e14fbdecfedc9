package bench

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
)

// lab is the state of a run. The helpers of all trials are its methods, because they add to its figures and use its directory.
type lab struct {
	opt     Options
	dir     string
	dirs    int // number of directories that newDir made
	values  map[string][]float64
	skipped []Skipped
	done    float64 // expected seconds of the trials that are done
	total   float64 // expected seconds of all trials
	current trial
}

func (l *lab) rounds(t trial) int {
	if !l.opt.Quick {
		return t.rounds
	}
	return 1
}

// expected returns the expected time of a trial, in seconds.
func (l *lab) expected(t trial) float64 {
	switch {
	case l.opt.Quick && t.large:
		return 0
	case l.opt.Quick:
		return t.seconds / quickFactor
	case t.large:
		return t.seconds * float64(l.largest()) / tenMillion
	}
	return float64(t.rounds) * t.seconds
}

// measure runs the rounds of a trial.
func (l *lab) measure(ctx context.Context, t trial) (err error) {
	if t.large && l.opt.Quick {
		return l.skip(t, "it takes minutes: run without --quick")
	}
	l.progress(0, "")
	a, err := t.begin(ctx, l)
	var why errSkipped
	if errors.As(err, &why) {
		return l.skip(t, why.Error())
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
			return l.skip(t, why.Error())
		} else if err != nil {
			return err
		}
		l.progress(float64(made+1)/float64(rounds), "")
	}
	return nil
}

// skip adds the figures of a trial to the skipped ones.
func (l *lab) skip(t trial, why string) error {
	for _, name := range t.figures {
		if wanted(l.opt, name) {
			l.skipped = append(l.skipped, Skipped{Name: name, Why: why})
		}
	}
	return nil
}

// progress reports the progress of the run. part is the finished fraction of the current trial; remark describes a long step of it.
func (l *lab) progress(part float64, remark string) {
	if l.opt.Progress == nil {
		return
	}
	what := l.current.name
	if remark != "" {
		what += ": " + remark
	}
	const millis = 1e3
	l.opt.Progress(int64(millis*(l.done+part*l.expected(l.current))), int64(millis*l.total), what)
}

// add adds the value of a round.
func (l *lab) add(name string, value float64) { l.values[name] = append(l.values[name], value) }

// quickFactor divides the work of a round in a quick run.
const quickFactor = 5

// scale returns n, or n/quickFactor in a quick run.
func (l *lab) scale(n int) int {
	if l.opt.Quick {
		return max(n/quickFactor, 1)
	}
	return n
}

// newDir makes a new directory.
func (l *lab) newDir() (string, error) {
	l.dirs++
	dir := l.dir + "/" + strconv.Itoa(l.dirs)
	return dir, os.Mkdir(dir, 0o700)
}

// figures returns the results of the measured figures, in the order of the table.
func (l *lab) figures() []Figure {
	var list []Figure
	for _, g := range table {
		values := slices.Clone(l.values[g.name])
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
