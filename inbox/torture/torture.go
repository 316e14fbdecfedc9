package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

// Options say how long and how hard. The zero value of a field means the default in its comment.
type Options struct {
	Seed        uint64        // of all decisions
	Rounds      int           // default: as many as fit into For, or 50
	For         time.Duration // begin no round after it; default: no bound
	Dir         string        // where the stores are made, on the file system to test; default: a temporary directory
	Only        []string      // faults by name; default: all
	Connections int           // that send at the same time; default 8
	Stored      int           // events a store begins with; default none
	StartBound  time.Duration // how long a start may take until its first accept; default: not looked at
	Epoch       int           // rounds a store lives through; default 20
	Drain       time.Duration // how long a store may take to finish its work without faults; default 3 min
	Exe         string        // the program; default: this one
	Env         []string      // more of its environment
	Say         func(format string, args ...any)
}

// fill sets what is not set.
func (o *Options) fill() (err error) {
	if o.Rounds == 0 {
		o.Rounds = 50
		if o.For > 0 {
			o.Rounds = 1 << 30
		}
	}
	if o.Connections == 0 {
		o.Connections = 8
	}
	if o.Epoch == 0 {
		o.Epoch = 20
	}
	if o.Drain == 0 {
		o.Drain = 3 * time.Minute // the probes of a hold are seconds apart
	}
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	if o.Exe == "" {
		o.Exe, err = os.Executable()
	}
	return err
}

// campaign is one run of torture.
type campaign struct {
	opt    Options
	report *Report
	faults []fault
	began  time.Time
	dir    string // of the run
	data   string // of the store under torture
	world  *world // what was sent to it and what was answered
	round  int
	well   bool // send only events that succeed
	drains int  // how often that was done
}

// Run tortures, and returns what was done and found. The error is of a run that could not go on; broken laws are in the
// report.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.fill(); err != nil {
		return nil, inbox.Errorf(inbox.Internal, "torture", "%w", err)
	}
	dir, err := os.MkdirTemp(o.Dir, "inbox-torture-")
	if err != nil {
		return nil, inbox.Errorf(inbox.Invalid, "make a directory to torture in", "%w", err).WithHint("name one that can be written with --dir")
	}
	t := &campaign{opt: o, dir: dir, report: newReport(o.Seed), began: time.Now()}
	if t.faults, t.report.Skipped, err = choose(o.Only); err != nil {
		return nil, err
	}
	for _, name := range t.report.Skipped {
		o.Say("left out: %s", name)
	}
	if o.Stored > 0 {
		err = t.store(ctx)
	}
	if err == nil {
		err = t.rounds(ctx)
	}
	return t.finish(err)
}

// finish returns the report of a run that ended with err. It keeps the stores of a run that broke a law or failed, and
// deletes those of a run that found nothing or was interrupted.
func (t *campaign) finish(err error) (*Report, error) {
	t.report.Took = time.Since(t.began)
	interrupted := errors.Is(err, context.Canceled)
	if len(t.report.Broken) > 0 || err != nil && !interrupted {
		t.report.Kept = t.dir
		return t.report, err
	}
	return t.report, errors.Join(err, os.RemoveAll(t.dir))
}

// rounds makes epochs of rounds: each has a store of its own, so that a round's check stays cheap.
func (t *campaign) rounds(ctx context.Context) error {
	for epoch := 0; t.goesOn(ctx); epoch++ {
		t.data = filepath.Join(t.dir, fmt.Sprint("epoch-", epoch))
		if err := t.begin(ctx); err != nil {
			return err
		}
		for n := 0; n < t.opt.Epoch && t.goesOn(ctx); n++ {
			if err := t.oneRound(ctx); err != nil {
				return err
			}
			t.round++
		}
		if len(t.report.Broken) == 0 && ctx.Err() == nil {
			if err := t.end(ctx); err != nil {
				return err
			}
		}
		t.sum()
		if len(t.report.Broken) == 0 {
			if err := os.RemoveAll(t.data); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (t *campaign) goesOn(ctx context.Context) bool {
	return ctx.Err() == nil && t.round < t.opt.Rounds && len(t.report.Broken) == 0 && (t.opt.For == 0 || time.Since(t.began) < t.opt.For)
}

// chance returns the source of the decisions about something in a round: the same for the same seed.
func (t *campaign) chance(what uint64) *rand.Rand {
	return rand.New(rand.NewPCG(t.opt.Seed, uint64(t.round)<<16|what))
}

// oneRound starts the server, sends to it, makes a fault happen until it is dead, and checks the files.
func (t *campaign) oneRound(ctx context.Context) error {
	h, chance := t.pick(), t.chance(0)
	t.world.round = t.round
	arms := h.arms(chance)
	s, err := t.start(ctx, arms)
	if err != nil {
		return err
	}
	if s.ready() {
		t.accepts(ctx, s, h)
		if !arms.armed && !arms.ill { // others may not live long enough, or find no disk to write it to
			t.enableBlamed(ctx)
		}
		traffic := t.send(ctx, s)
		h.act(&round{t: t, ctx: ctx, s: s, chance: chance})
		s.finish(t)
		traffic.stop()
	}
	t.report.count(&h, s)
	t.check(ctx, h.String())
	t.opt.Say("round %d: %s: %s; %d sent in all; %s checking", t.round, h, s.fate(), t.world.sends(), t.report.checking.Round(time.Millisecond))
	return nil
}

// pick chooses the round's fault: each of them once, in an order of the seed, then again in another order.
func (t *campaign) pick() fault {
	turn := t.round / len(t.faults)
	order := rand.New(rand.NewPCG(t.opt.Seed, uint64(turn)<<16|1)).Perm(len(t.faults))
	return t.faults[order[t.round%len(t.faults)]]
}

// check copies what the server left and holds the copy against what is known. The copy is recovered as the server's next
// start will recover the original, which is not touched.
func (t *campaign) check(ctx context.Context, after string) {
	copied, began := filepath.Join(t.dir, "looked-at"), time.Now()
	defer func() { t.report.checking += time.Since(began) }()
	err := os.RemoveAll(copied)
	if err == nil {
		err = copyStore(t.data, copied)
	}
	if err == nil {
		err = t.world.check(ctx, copied, t.report)
	}
	if err != nil && ctx.Err() == nil {
		t.report.broke("the store cannot be read: %v", err)
	}
	t.report.tell(t.round, after)
}

// copyStore copies the files of a store that nobody has open.
func copyStore(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, name := range []string{datadir.Database, datadir.WAL, datadir.StoreKey} {
		if err := copyFile(filepath.Join(from, name), filepath.Join(to, name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Sync(), w.Close()) // or the next start waits while the kernel writes it
}

// String names the fault as in the matrix.
func (h fault) String() string { return strings.TrimSpace(h.point + ": " + h.what) }
