package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"inbox/inbox/wasm"
	"inbox/sdk/abi"
)

// Guard is the way a guest is stopped.
type Guard string

// The guards; Unguarded stops nothing.
const (
	Unguarded Guard = "unguarded"
	ByMeter   Guard = "metered"
	ByContext Guard = "checked"
)

// Bare runs a guest directly on the runtime, so that the cost of a guard can be measured.
type Bare struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	guard    Guard
	session  bool
	memory   *pool
	left     int       // events that a session has not had yet
	began    time.Time // when it got the first event
	Output   bytes.Buffer
	Fuel     int64    // of the last instance
	Memory   [32]byte // of the last instance, a digest of its memory; set by Says
	digest   bool
	Counted  int64 // of the last instance, its exported global n
}

// NewBare compiles a module with a guard, for the engine of config.
func NewBare(ctx context.Context, config wazero.RuntimeConfig, guard Guard, file []byte) (*Bare, error) {
	b := &Bare{guard: guard, memory: newPool()}
	m, err := wasm.Read(file)
	if err != nil {
		return nil, err
	}
	b.session = isSession(m)
	switch guard {
	case Unguarded:
		file = m.Bytes() // the original, with clamped tables
	case ByMeter:
		file, err = m.Metered()
	case ByContext:
		file, err = m.Paused()
		config = config.WithCloseOnContextDone(true)
	}
	if err != nil {
		return nil, err
	}
	b.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if err := offerMeter(ctx, b.runtime); err != nil {
		return nil, err
	}
	if err := offerFunctions(ctx, b.runtime, envModule, envFunctions()); err != nil {
		return nil, err
	}
	tolled := ctx
	if guard != Unguarded {
		tolled = withPrices(ctx, wasiPrices())
	}
	if _, err := wasi_snapshot_preview1.Instantiate(tolled, b.runtime); err != nil {
		return nil, err
	}
	if err := b.offerSession(ctx); err != nil {
		return nil, err
	}
	b.compiled, err = b.runtime.CompileModule(ctx, file)
	return b, err
}

// offerSession defines an inbox_v1 that never waits. Its functions have the prices of a sandbox.
func (b *Bare) offerSession(ctx context.Context) error {
	calls := map[string]hostCall{
		abi.Next: func(ctx context.Context, _ *instance, mem api.Memory, p []uint64) int32 {
			if b.began.IsZero() {
				b.began = time.Now()
			}
			doc := ctx.Value(docKey{}).([]byte)
			if int(uint32(p[1])) < len(doc) {
				return int32(len(doc))
			}
			if b.left--; b.left < 0 {
				return abi.NoMore
			}
			mem.Write(uint32(p[0]), doc)
			return int32(len(doc))
		},
		abi.Done: b.says, abi.Log: b.says,
		abi.EventRead: func(context.Context, *instance, api.Memory, []uint64) int32 { return abi.None },
	}
	functions := inboxFunctions()
	for i, f := range functions {
		price := f.price
		if b.guard == Unguarded {
			price = free()
		}
		functions[i] = define(f.name, f.params, f.results, price, calls[f.name])
	}
	return offerFunctions(ctx, b.runtime, abi.Module, functions)
}

// says keeps the guest's output.
func (b *Bare) says(_ context.Context, _ *instance, mem api.Memory, p []uint64) int32 {
	view, _ := mem.Read(uint32(p[0]), uint32(p[1]))
	b.Output.Write(view)
	return 0
}

type docKey struct{}

// Call passes the document to the guest n times, and returns how long that took.
func (b *Bare) Call(ctx context.Context, doc []byte, n int) (time.Duration, error) {
	b.left, b.began = n, time.Time{}
	b.Output.Reset()
	runs := n
	if b.session {
		runs = 1
	}
	began := time.Now()
	for range runs {
		if err := b.once(ctx, doc); err != nil {
			return 0, err
		}
	}
	if b.session {
		began = b.began
	}
	return time.Since(began), nil
}

func (b *Bare) once(parent context.Context, doc []byte) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	in := &instance{ctx: ctx, stop: ctx, memory: memory{pool: b.memory, limit: 64 << 20}, world: newWorld("bare"), stdin: stdin{doc}}
	defer in.memory.release()
	in.meter.on = b.guard == ByMeter
	in.meter.begin(noLimit)
	ctx = experimental.WithMemoryAllocator(context.WithValue(context.WithValue(ctx, instanceKey{}, in), docKey{}, doc), &in.memory)
	mod, err := b.runtime.InstantiateModule(ctx, b.compiled, wazero.NewModuleConfig().WithName("").WithArgs("plugin").
		WithStdin(&in.stdin).WithStdout(&b.Output).WithStderr(&b.Output).
		WithWalltime(in.world.wall, sys.ClockResolution(time.Microsecond)).
		WithNanotime(in.world.steady, sys.ClockResolution(time.Microsecond)).
		WithNanosleep(in.world.sleep).WithRandSource(in.world.rand))
	b.Fuel, b.Counted = in.fuel(), 0
	if b.digest {
		b.Memory = sha256.Sum256(in.memory.buf[:in.memory.used])
	}
	if mod != nil {
		if g := mod.ExportedGlobal("n"); g != nil {
			b.Counted = int64(g.Get())
		}
		err = errors.Join(err, mod.Close(parent))
	}
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		fmt.Fprintf(&b.Output, "exit %d", exit.ExitCode())
		err = nil
	}
	return err
}

// Says returns the guest's output and the way it ended: an exit code, a trap, or normally.
func (b *Bare) Says(ctx context.Context, doc []byte) string {
	b.digest = true
	_, err := b.Call(ctx, doc, 1)
	if err == nil {
		return b.Output.String() + "|"
	}
	return b.Output.String() + "|" + trapText(err)
}

// Close frees the runtime.
func (b *Bare) Close(ctx context.Context) {
	_ = b.runtime.Close(ctx)
	b.memory.close()
}
