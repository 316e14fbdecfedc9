package bench

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"inbox/inbox/host"
	"inbox/sdk/abi"
)

// lone is a guest over wazero and nothing else, called by one goroutine: no deadline, no log, no record.
type lone struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	session  bool
	doc      []byte    // what it gets at every call
	left     int       // calls of a session to come
	last     time.Time // when it last got its document
	took     []float64 // microseconds of every call
	memory   scratch
}

// alone compiles a guest as it is, or with its instructions counted.
func alone(ctx context.Context, wasm, doc []byte, metered bool) (l *lone, err error) {
	l = &lone{runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler()), doc: doc}
	defer func() {
		if err != nil {
			_ = l.close() // that it could not be made is what counts
		}
	}()
	if metered {
		if wasm, err = host.Metered(wasm); err != nil {
			return nil, err
		}
		if err = host.OfferUnlimited(ctx, l.runtime); err != nil {
			return nil, err
		}
	}
	if _, err = wasi_snapshot_preview1.Instantiate(ctx, l.runtime); err != nil {
		return nil, err
	}
	if err = offerBare(ctx, l.runtime, l.next); err != nil {
		return nil, err
	}
	if l.compiled, err = l.runtime.CompileModule(ctx, wasm); err != nil {
		return nil, err
	}
	for _, f := range l.compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		l.session = l.session || (module == abi.Module && name == abi.Next)
	}
	return l, nil
}

func (l *lone) close() error { return l.runtime.Close(context.Background()) }

// next hands a session its document as often as it is to be called.
func (l *lone) next(_ context.Context, mod api.Module, ptr, size uint32) int32 {
	if uint64(size) < uint64(len(l.doc)) {
		return int32(len(l.doc))
	}
	if l.left < cap(l.took) {
		l.lap()
	}
	if l.left == 0 {
		return abi.NoMore
	}
	l.left--
	l.last = time.Now()
	mod.Memory().Write(ptr, l.doc)
	return int32(len(l.doc))
}

// lap notes how long a call took that has ended.
func (l *lone) lap() { l.took = append(l.took, float64(time.Since(l.last))/1e3) }

// p50 has the guest take its document n times, a command in an instance each and a session in one, and returns the median
// time of a call in microseconds.
func (l *lone) p50(ctx context.Context, n int) (float64, error) {
	l.left, l.took = n, make([]float64, 0, n)
	for len(l.took) < n {
		l.last = time.Now()
		if err := l.once(ctx); err != nil {
			return 0, err
		}
		if !l.session {
			l.lap()
		}
	}
	slices.Sort(l.took)
	return median(l.took), ctx.Err()
}

func (l *lone) once(ctx context.Context) error {
	ctx = experimental.WithMemoryAllocator(ctx, &l.memory)
	config := wazero.NewModuleConfig().WithName("").WithArgs("plugin").WithSysNanotime().WithStdin(bytes.NewReader(l.doc))
	mod, err := l.runtime.InstantiateModule(ctx, l.compiled, config)
	if mod != nil {
		_ = mod.Close(ctx) // it has nothing to lose
	}
	if exited(err) {
		return nil
	}
	return err
}

// scratch is one memory that the instances have in turn, zeroed for each: making a memory costs more than a small guest.
type scratch struct{ dir []byte }

// Allocate returns the memory for an instance to come.
func (s *scratch) Allocate(_, _ uint64) experimental.LinearMemory {
	clear(s.dir)
	return s
}

// Reallocate gives it size bytes.
func (s *scratch) Reallocate(size uint64) []byte {
	if size > uint64(cap(s.dir)) {
		s.dir = append(make([]byte, 0, 2*size), s.dir...)
	}
	s.dir = s.dir[:size]
	return s.dir[:size:size]
}

// Free keeps it.
func (s *scratch) Free() {}
