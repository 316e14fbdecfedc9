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

// Options configure a run. The zero value of a field means the default in its comment. It has a field for each flag of
// `inbox torture`.
type Options struct {
	Seed        uint64        // of all decisions
	Rounds      int           // default: as many as fit into For, or 50
	For         time.Duration // no round begins later; default: no bound
	Dir         string        // parent of the stores, on the file system to test; default: a temporary directory
	Only        []string      // parts of the names of faults; default: all faults
	Connections int           // number of senders; default 8
	Stored      int           // number of events that a store begins with; default none
	StartBound  time.Duration // longest time from a start to its first accept; default: not checked
	Epoch       int           // rounds per store; default 20
	Drain       time.Duration // longest time in which a store finishes its work without faults; default 3 min
	Exe         string        // the program; default: this program
	Env         []string      // added to its environment
	Logf        func(format string, args ...any)
}

// setDefaults sets the fields that are zero to their defaults.
func (o *Options) setDefaults() (err error) {
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
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	if o.Exe == "" {
		o.Exe, err = os.Executable()
	}
	return err
}

// campaign is one run of torture. Rounds, epochs and soaks are methods of one type, because they share the store, the history and the
// report of the run.
type campaign struct {
	opt      Options
	report   *Report
	faults   []fault
	began    time.Time
	dir      string // of the run
	data     string // of the store under torture
	history  *history
	receiver *receiver // of the requests of plugins
	round    int
	onlyOK   bool // send only events that succeed
	drains   int  // number of times that onlyOK was set
}

// Run runs the rounds and returns the report, which lists the broken laws. It returns an error when the run could not continue.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.setDefaults(); err != nil {
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
		o.Logf("skipped: %s", name)
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
	t.receiver.close()
	t.report.Took = time.Since(t.began)
	interrupted := errors.Is(err, context.Canceled)
	if len(t.report.Broken) > 0 || err != nil && !interrupted {
		t.report.Kept = t.dir
		return t.report, err
	}
	return t.report, errors.Join(err, os.RemoveAll(t.dir))
}

// rounds runs epochs of rounds. Each epoch has a new store, so that the check of a round stays cheap.
func (t *campaign) rounds(ctx context.Context) error {
	for epoch := 0; t.hasNext(ctx); epoch++ {
		t.data = filepath.Join(t.dir, fmt.Sprint("epoch-", epoch))
		if err := t.beginEpoch(ctx); err != nil {
			return err
		}
		for n := 0; n < t.opt.Epoch && t.hasNext(ctx); n++ {
			if err := t.runRound(ctx); err != nil {
				return err
			}
			t.round++
		}
		if len(t.report.Broken) == 0 && ctx.Err() == nil {
			if err := t.endEpoch(ctx); err != nil {
				return err
			}
		}
		t.addCounts()
		if len(t.report.Broken) == 0 {
			if err := os.RemoveAll(t.data); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (t *campaign) hasNext(ctx context.Context) bool {
	return ctx.Err() == nil && t.round < t.opt.Rounds && len(t.report.Broken) == 0 && (t.opt.For == 0 || time.Since(t.began) < t.opt.For)
}

// rng returns the random numbers for one purpose in the current round. They are the same for the same seed.
func (t *campaign) rng(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(t.opt.Seed, uint64(t.round)<<16|purpose))
}

// runRound starts the server, sends to it, lets a fault happen until the server has ended, and checks the files.
func (t *campaign) runRound(ctx context.Context) error {
	h, rng := t.pickFault(), t.rng(0)
	t.history.round = t.round
	setup := h.setup(rng)
	s, err := t.start(ctx, setup)
	if err != nil {
		return err
	}
	if s.ready() {
		t.firstAccept(ctx, s, h)
		if !setup.mayEnd && !setup.mayFailStart { // other servers may end first, or have no disk to write to
			t.enableBlamed(ctx)
		}
		traffic := t.send(ctx, s)
		h.act(&round{t: t, ctx: ctx, s: s, rng: rng})
		s.finish(t)
		traffic.stop()
	}
	t.report.count(&h, s)
	t.check(ctx, h.String())
	t.opt.Logf("round %d: %s: %s; %d bodies sent so far; %s of checks", t.round, h, s.ending(), t.history.sends(), t.report.checking.Round(time.Millisecond))
	return nil
}

// pickFault returns the fault of the round. Every fault comes once, in an order that depends on the seed, then again in another
// order.
func (t *campaign) pickFault() fault {
	turn := t.round / len(t.faults)
	order := rand.New(rand.NewPCG(t.opt.Seed, uint64(turn)<<16|1)).Perm(len(t.faults))
	return t.faults[order[t.round%len(t.faults)]]
}

// check compares a copy of the server's files with the history. The check recovers the copy in the same way as the next start
// recovers the original, which stays unchanged.
func (t *campaign) check(ctx context.Context, after string) {
	copied, began := filepath.Join(t.dir, "checked"), time.Now()
	defer func() { t.report.checking += time.Since(began) }()
	err := t.receiver.quiet(ctx)
	if err == nil {
		err = os.RemoveAll(copied)
	}
	if err == nil {
		err = copyStore(t.data, copied)
	}
	if err == nil {
		err = t.history.check(ctx, copied, t.report)
	}
	if err != nil && ctx.Err() == nil {
		t.report.broke("the store cannot be read: %v", err)
	}
	t.report.addPlace(t.round, after)
}

// copyStore copies the files of a store that no process has open.
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
	return errors.Join(err, w.Sync(), w.Close()) // without Sync the next start waits while the kernel writes the copy
}

// String names the fault as in the matrix.
func (h fault) String() string { return strings.TrimSpace(h.point + ": " + h.kind) }
