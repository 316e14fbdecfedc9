package host

import (
	"context"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"inbox/sdk/abi"
)

// offerSession makes the module inbox_v1. Its functions find their instance in the context that the guest was started
// with. Buffers belong to the guest; every one is checked against its memory before it is touched.
func offerSession(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(abi.Module)
	b = offerFunction(b, abi.Next, 2, func(in *instance, ctx context.Context, mem api.Memory, p []uint64) int32 {
		return in.next(ctx, mem, uint32(p[0]), uint32(p[1]))
	})
	b = offerFunction(b, abi.Done, 2, func(in *instance, _ context.Context, mem api.Memory, p []uint64) int32 {
		return in.done(mem, uint32(p[0]), uint32(p[1]))
	})
	b = offerFunction(b, abi.Log, 2, func(in *instance, _ context.Context, mem api.Memory, p []uint64) int32 {
		return in.logLine(mem, uint32(p[0]), uint32(p[1]))
	})
	b = offerFunction(b, abi.EventRead, 5, func(in *instance, _ context.Context, mem api.Memory, p []uint64) int32 {
		return in.eventRead(mem, uint32(p[0]), uint32(p[1]), uint32(p[2]), uint32(p[3]), uint32(p[4]))
	})
	_, err := b.Instantiate(ctx)
	return err
}

// offerFunction adds a function that takes so many i32 and gives one. Its toll is taken first.
func offerFunction(b wazero.HostModuleBuilder, name string, params int, fn func(*instance, context.Context, api.Memory, []uint64) int32) wazero.HostModuleBuilder {
	toll := tollOf(abi.Module, name)
	return b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
		toll.take(ctx, mod, stack)
		in, ok := ctx.Value(instanceKey{}).(*instance)
		if !ok || mod.Memory() == nil {
			stack[0] = api.EncodeI32(abi.ErrPointer)
			return
		}
		stack[0] = api.EncodeI32(fn(in, ctx, mod.Memory(), stack))
	}), slices.Repeat([]api.ValueType{api.ValueTypeI32}, params), []api.ValueType{api.ValueTypeI32}).Export(name)
}

// offerAbort makes env.abort, which AssemblyScript calls instead of trapping.
func offerAbort(ctx context.Context, r wazero.Runtime) error {
	i32 := api.ValueTypeI32
	_, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(context.Context, api.Module, []uint64) { panic(errAbort) }),
			[]api.ValueType{i32, i32, i32, i32}, nil).Export("abort").Instantiate(ctx)
	return err
}

// next hands the guest its next document, and waits for one. A document that does not fit the buffer stays; its
// length is the answer. Asking again without a result for the last event ends the session: the event fails.
func (in *instance) next(ctx context.Context, mem api.Memory, ptr, size uint32) int32 {
	if in.busy != nil && in.busy.taken {
		return abi.NoMore
	}
	if in.busy == nil {
		if in.ready && in.leave.Load() {
			return abi.NoMore
		}
		in.ready = true
		in.asked <- struct{}{}
		select {
		case in.busy = <-in.docs:
			in.turn(in.busy.call)
			in.meter.begin(in.p.fuel())
		case <-ctx.Done():
			return abi.NoMore
		}
	}
	doc := in.busy.call.Doc
	if uint64(size) < uint64(len(doc)) {
		if len(doc) > maxDocument {
			return abi.ErrTooLarge
		}
		return int32(len(doc))
	}
	if !mem.Write(ptr, doc) {
		return abi.ErrPointer
	}
	in.pay(int64(len(doc)))
	in.busy.taken, in.texts.open = true, true
	return int32(len(doc))
}

// maxDocument is the longest document whose length an i32 can tell.
const maxDocument = 1<<31 - 1

// done takes the one result of the event that the guest has.
func (in *instance) done(mem api.Memory, ptr, size uint32) int32 {
	if in.busy == nil || !in.busy.taken {
		return abi.ErrState
	}
	if int64(size) > in.p.manifest.Limits.Output {
		in.cancel(errOutput)
		return abi.ErrTooLarge
	}
	view, ok := mem.Read(ptr, size)
	if !ok {
		return abi.ErrPointer
	}
	d := in.busy
	in.busy, in.texts = nil, texts{}
	// The view is the guest's memory, which it goes on to change.
	d.result <- result{append([]byte(nil), view...), in.fuel()}
	in.meter.begin(noLimit) // until it asks for the next event; its time is bounded
	return 0
}

// logLine adds a line to the attempt's log.
func (in *instance) logLine(mem api.Memory, ptr, size uint32) int32 {
	size = min(size, uint32(min(in.p.manifest.Limits.Log, maxDocument)))
	view, ok := mem.Read(ptr, size)
	if !ok {
		return abi.ErrPointer
	}
	_, _ = in.log.Write(view) // a full log is cut, which is no error
	_, _ = in.log.Write([]byte{'\n'})
	return 0
}
