package bench

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/dispatch"
	"inbox/inbox/host"
	"inbox/sdk/abi"
)

// noop is the guest that does nothing, built from noop.wat.
//
//go:embed noop.wasm
var noop []byte

// keeper is the guest that answers with a state document of 1 KiB, built from state.wat.
//
//go:embed state.wasm
var keeper []byte

// counter is the guest that increments a key of kv, built from counter.wat.
//
//go:embed counter.wasm
var counter []byte

// asker is the guest that answers with one request whose body has 1 KiB, built from effect.wat.
//
//go:embed effect.wasm
var asker []byte

// unlimitedReuse is the number of events per instance in a measurement.
const unlimitedReuse = 1 << 30

// guest is the plugin of a measurement.
type guest struct {
	wasm []byte
	host *host.Host
	prog *host.Program
	man  inbox.Manifest
}

// guest compiles a module as the program does. It may ask for requests to the origins of allow.
func (l *lab) guest(ctx context.Context, wasm []byte, order inbox.Order, allow ...string) (*guest, error) {
	g := &guest{wasm: wasm, man: inbox.Manifest{
		Reuse: unlimitedReuse, Order: order, StartFrom: inbox.StartFrom{Start: true}, HTTP: inbox.HTTP{Allow: allow},
	}.WithDefaults(runtime.GOMAXPROCS(0))}
	var err error
	if g.host, err = host.New(ctx, host.Options{CacheDir: filepath.Join(l.dir, datadir.Cache)}); err != nil {
		return nil, err
	}
	if g.prog, err = g.host.Compile(ctx, wasm, &g.man); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *guest) close() error {
	g.prog.Close(context.Background())
	return g.host.Close(context.Background())
}

// live returns the guest as a release of a plugin.
func (g *guest) live() *dispatch.Live {
	return &dispatch.Live{Release: "bench", Manifest: g.man, Run: g.prog.Attempt, UsesKV: g.prog.UsesKV(), Fetches: g.prog.Fetches()}
}

// bare calls the guest n times with wazero alone, from as many goroutines as the program would. Every call copies the same document
// into the guest's memory and ignores the result. There is no deadline, log, record or rewriting.
func (g *guest) bare(ctx context.Context, doc []byte, n int) (perSecond float64, err error) {
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
	defer rt.Close(ctx)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, rt); err != nil {
		return 0, err
	}
	var left atomic.Int64
	var began atomic.Pointer[time.Time]
	left.Store(int64(n))
	first := make(chan struct{}, g.man.Concurrency)
	start := make(chan struct{})
	err = offerBare(ctx, rt, func(_ context.Context, m api.Module, ptr, size uint32) int32 {
		if began.Load() == nil { // all instances begin together
			first <- struct{}{}
			<-start
		}
		if left.Add(-1) < 0 {
			return abi.NoMore
		}
		if size >= uint32(len(doc)) {
			m.Memory().Write(ptr, doc)
		} else {
			left.Add(1) // the guest calls again with a larger buffer
		}
		return int32(len(doc))
	})
	if err != nil {
		return 0, err
	}
	compiled, err := rt.CompileModule(ctx, g.wasm)
	if err != nil {
		return 0, err
	}
	errs := make([]error, g.man.Concurrency)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = rt.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithSysNanotime())
		})
	}
	for range errs {
		<-first
	}
	now := time.Now()
	began.Store(&now)
	close(start)
	wg.Wait()
	took := time.Since(now).Seconds()
	for _, err := range errs {
		if err != nil && !exited(err) {
			return 0, fmt.Errorf("call the guest: %w", err)
		}
	}
	return float64(n) / took, nil
}

// offerBare makes a host module inbox_v1 with the given next. Its other functions do nothing.
func offerBare(ctx context.Context, rt wazero.Runtime, next func(ctx context.Context, m api.Module, ptr, size uint32) int32) error {
	i32 := []api.ValueType{api.ValueTypeI32, api.ValueTypeI32}
	done := api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = 0 })
	_, err := rt.NewHostModuleBuilder(abi.Module).
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
		stack[0] = api.EncodeI32(next(ctx, m, uint32(stack[0]), uint32(stack[1])))
	}), i32, i32[:1]).Export(abi.Next).
		NewFunctionBuilder().WithGoModuleFunction(done, i32, i32[:1]).Export(abi.Done).
		NewFunctionBuilder().WithGoModuleFunction(done, i32, i32[:1]).Export(abi.Log).
		Instantiate(ctx)
	return err
}

// exited reports whether a guest exited with code 0.
func exited(err error) bool {
	var exit *sys.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 0
}

// buildGo builds the example plugin in Go. It needs the source and the Go toolchain.
func (l *lab) buildGo(ctx context.Context) ([]byte, error) {
	out := filepath.Join(l.dir, "hello.wasm")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, "inbox/examples/hello-go")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, errSkipped(fmt.Sprintf("it needs Go and the source of inbox, as in a checkout: %v: %s", err, strings.TrimSpace(string(text))))
	}
	return os.ReadFile(out)
}
