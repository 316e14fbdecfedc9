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

// bareGuest is a guest in wazero without the host, called by one goroutine: no deadline, no log, no record.
type bareGuest struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	session  bool
	doc      []byte    // its document at every call
	left     int       // remaining calls of a session
	last     time.Time // when it last got its document
	took     []float64 // microseconds of every call
	memory   reusedMemory
}

// newBareGuest compiles a guest. metered adds the counting of instructions.
func newBareGuest(ctx context.Context, wasm, doc []byte, metered bool) (l *bareGuest, err error) {
	l = &bareGuest{runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler()), doc: doc}
	defer func() {
		if err != nil {
			_ = l.close() // the first error is the important one
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

func (l *bareGuest) close() error { return l.runtime.Close(context.Background()) }

// next gives a session its document until no calls remain.
func (l *bareGuest) next(_ context.Context, mod api.Module, ptr, size uint32) int32 {
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

// lap adds the time of the call that has ended.
func (l *bareGuest) lap() { l.took = append(l.took, float64(time.Since(l.last))/1e3) }

// p50 calls the guest n times and returns the median time of a call in microseconds. A command gets an instance per call, a session
// one instance.
func (l *bareGuest) p50(ctx context.Context, n int) (float64, error) {
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

func (l *bareGuest) once(ctx context.Context) error {
	ctx = experimental.WithMemoryAllocator(ctx, &l.memory)
	config := wazero.NewModuleConfig().WithName("").WithArgs("plugin").WithSysNanotime().WithStdin(bytes.NewReader(l.doc))
	mod, err := l.runtime.InstantiateModule(ctx, l.compiled, config)
	if mod != nil {
		_ = mod.Close(ctx) // the instance has no state to lose
	}
	if exited(err) {
		return nil
	}
	return err
}

// reusedMemory is one memory that all instances use in turn, zeroed for each. A new memory costs more than a call of a small guest.
type reusedMemory struct{ bytes []byte }

// Allocate returns the memory for the next instance.
func (s *reusedMemory) Allocate(_, _ uint64) experimental.LinearMemory {
	clear(s.bytes)
	return s
}

// Reallocate resizes the memory to size bytes.
func (s *reusedMemory) Reallocate(size uint64) []byte {
	if size > uint64(cap(s.bytes)) {
		s.bytes = append(make([]byte, 0, 2*size), s.bytes...)
	}
	s.bytes = s.bytes[:size]
	return s.bytes[:size:size]
}

// Free keeps the memory for the next instance.
func (s *reusedMemory) Free() {}
