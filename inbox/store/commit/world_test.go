package commit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"inbox/inbox/store/commit"
)

var ctx = context.Background()

// notes counts the rows of a table of numbers in memory. It is the smallest state for tests of a writer.
type notes struct {
	mu      sync.Mutex
	count   int // in memory
	reloads int
}

// change is a transaction on notes.
type change struct {
	tx    *commit.Tx
	added int
}

type op = commit.Op[*change]

func (n *notes) Begin(tx *commit.Tx) *change { return &change{tx: tx} }

func (n *notes) Committed(c *change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.count += c.added
}

func (n *notes) Reload(c *commit.Conn) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reloads++
	return c.Get("SELECT count(*) FROM notes").Scan(&n.count)
}

func (n *notes) Probe(c *change) error {
	_, err := c.tx.Exec("UPDATE notes SET n = n WHERE n = -1")
	return err
}

func (n *notes) known() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.count
}

// add returns the change that adds a note. The table rejects a number that exists.
func add(n int) *op {
	return &op{Apply: func(c *change) error {
		if _, err := c.tx.Exec("INSERT INTO notes (n) VALUES (?)", n); err != nil {
			return err
		}
		c.added++
		return nil
	}}
}

// world is a writer of notes.
type world struct {
	t     *testing.T
	path  string
	notes *notes
	w     *commit.Writer[*change]
	ended chan error // of Run
	stop  func()
}

func prepare(c *commit.Conn) error {
	return c.Script("CREATE TABLE IF NOT EXISTS notes (n INTEGER PRIMARY KEY) STRICT")
}

// open opens a new file, or the file of an earlier world.
func open(t *testing.T, o commit.Options) *world {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "notes.db")
		if err := os.WriteFile(o.Path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := commit.Create(ctx, commit.Options{Path: o.Path, Prepare: prepare}); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Dir(o.Path)
	o.Prepare = prepare
	o.Beside = commit.Beside{
		Lock: filepath.Join(dir, "lock"), Key: filepath.Join(dir, "key"), Have: []byte("key"),
	}
	if err := os.WriteFile(o.Beside.Key, o.Beside.Have, 0o600); err != nil {
		t.Fatal(err)
	}
	n := &notes{}
	w, err := commit.Open(ctx, o, n)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, path: o.Path, notes: n, w: w}
}

// serve opens a file and runs its writer until close is called or the test ends.
func serve(t *testing.T, o commit.Options) *world {
	t.Helper()
	o.Server = true
	x := open(t, o)
	x.run()
	t.Cleanup(x.close)
	return x
}

func (x *world) run() {
	run, stop := context.WithCancel(ctx)
	x.stop, x.ended = stop, make(chan error, 1)
	go func() { x.ended <- x.w.Run(run) }()
}

// close stops the writer and closes the file. The count in memory must equal the count in the file.
func (x *world) close() {
	x.t.Helper()
	if x.stop != nil {
		x.stop()
		if err := <-x.ended; err != nil {
			x.t.Errorf("the writer: %v", err)
		}
	}
	if x.w == nil {
		return
	}
	if n := x.stored(); n != x.notes.known() {
		x.t.Errorf("%d notes are in memory and %d in the file", x.notes.known(), n)
	}
	if err := errors.Join(x.w.Readers().Close(), x.w.Close()); err != nil {
		x.t.Error(err)
	}
	x.stop, x.w = nil, nil
}

// stored returns the number of notes in the file.
func (x *world) stored() (n int) {
	x.t.Helper()
	if err := x.w.Readers().QueryRow("SELECT count(*) FROM notes").Scan(&n); err != nil {
		x.t.Fatal(err)
	}
	return n
}

// hold blocks the writer until release is called. Changes that are submitted meanwhile wait together.
func (x *world) hold() (release func()) {
	x.t.Helper()
	held, released := make(chan struct{}), make(chan struct{})
	err := x.w.Submit(ctx, &op{Done: func(error) {}, Refuse: func() error {
		close(held)
		<-released
		return commit.ErrFull
	}})
	if err != nil {
		x.t.Fatal(err)
	}
	<-held
	return func() { close(released) }
}

// submit queues a change and returns a channel that receives its result.
func (x *world) submit(o *op) chan error {
	x.t.Helper()
	end := make(chan error, 1)
	o.Done = func(err error) { end <- err }
	if err := x.w.Submit(ctx, o); err != nil {
		end <- err
	}
	return end
}

// failure is an error with a result code of SQLite.
type failure int

const (
	diskFull   failure = 13
	constraint failure = 19
	writeFails failure = 778
	flushFails failure = 1034
)

func (f failure) Error() string { return "made by a test" }

// Code returns the result code.
func (f failure) Code() int { return int(f) }
