package release

import (
	"cmp"
	"context"
	"slices"
	"time"

	"inbox/inbox/host"
	"inbox/inbox/wasm"
)

// compilation is a release that is compiled and then made live.
type compilation struct {
	state    *pluginState
	live     *Live
	wasm     []byte
	entry    Entry // the entry of the file once the release is live
	own      bool  // it is the plugin's own release: the release of its file, or the choice of a rollback
	fallback bool  // it runs in place of a refused file
	err      error

	effort time.Duration // estimated time of compiling it
	long   bool          // it takes long; short compilations do not wait for it
}

// compileQueue compiles releases in the background. It belongs to Run's goroutine.
type compileQueue struct {
	host    *host.Host
	kept    Modules
	records CrashRecords
	waiting []*compilation
	running map[bool]bool     // whether a long compilation (true) or a short one (false) runs: each takes a core and much memory
	done    chan *compilation // finished compilations
}

func newCompileQueue(o *Options) *compileQueue {
	return &compileQueue{host: o.Host, kept: o.Kept, records: o.Crashes, running: map[bool]bool{}, done: make(chan *compilation)}
}

func (q *compileQueue) add(j *compilation) {
	j.state.busy = true
	j.effort, j.long = wasm.Effort(j.wasm)
	q.waiting = append(q.waiting, j)
}

// start starts the next compilations: at most one long and one short at a time, so that no short one waits for a long one. The
// shortest starts first.
func (q *compileQueue) start(ctx context.Context) {
	slices.SortStableFunc(q.waiting, func(a, b *compilation) int { return cmp.Compare(a.effort, b.effort) })
	for _, long := range []bool{false, true} {
		i := slices.IndexFunc(q.waiting, func(j *compilation) bool { return j.long == long })
		if q.running[long] || i < 0 || ctx.Err() != nil {
			continue
		}
		j := q.waiting[i]
		q.waiting = slices.Delete(q.waiting, i, i+1)
		q.running[long] = true
		q.compile(ctx, j)
	}
}

// compile compiles a release in its own goroutine.
func (q *compileQueue) compile(ctx context.Context, j *compilation) {
	go func() {
		if j.err = q.records.RecordStart(ctx, j.live.Release.Plugin, j.live.Release.ID); j.err == nil {
			j.live.Program, j.err = q.host.Compile(ctx, j.wasm, &j.live.Manifest)
		}
		if j.err == nil {
			j.err = q.kept.Save(j.live.Release.ID, j.wasm)
		}
		select {
		case q.done <- j:
		case <-ctx.Done():
			j.close(ctx)
		}
	}()
}

// close closes the program of a compilation whose release must not run.
func (j *compilation) close(ctx context.Context) {
	if j.live.Program != nil {
		j.live.Program.Close(context.WithoutCancel(ctx))
	}
}
