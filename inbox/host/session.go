package host

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	"inbox/sdk/abi"
)

// next copies the next document into the guest's buffer, and waits until there is one. If the document does not fit, next
// returns its length and keeps it for the next call. Asking again without a result for the last event returns NoMore: the
// session ends, and its event fails.
func (in *instance) next(ctx context.Context, mem api.Memory, ptr, size uint32) int32 {
	if in.session.current != nil && in.session.current.delivered {
		return abi.NoMore
	}
	if in.session.current == nil {
		if in.session.ready && in.session.leave.Load() {
			return abi.NoMore
		}
		in.session.ready = true
		in.session.asked <- struct{}{}
		select {
		case in.session.current = <-in.session.docs:
			in.startEvent(in.session.current.call)
			in.meter.begin(in.p.fuel())
		case <-ctx.Done():
			return abi.NoMore
		}
	}
	doc := in.session.current.call.Doc
	if uint64(size) < uint64(len(doc)) {
		if len(doc) > maxDocument {
			return abi.ErrTooLarge
		}
		return int32(len(doc))
	}
	if !mem.Write(ptr, doc) {
		return abi.ErrPointer
	}
	in.spend(int64(len(doc)))
	in.session.current.delivered, in.texts.open = true, true
	return int32(len(doc))
}

// maxDocument is the longest document whose length fits an i32.
const maxDocument = 1<<31 - 1

// done takes the one result of the current event.
func (in *instance) done(mem api.Memory, ptr, size uint32) int32 {
	if in.session.current == nil || !in.session.current.delivered {
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
	d := in.session.current
	did := in.activity
	in.session.current, in.texts, in.activity = nil, texts{}, activity{}
	// view points into the guest's memory, which the guest goes on to change.
	d.result <- result{append([]byte(nil), view...), in.fuel(), did}
	in.meter.begin(noLimit) // until the next event; the guest's time is bounded
	return 0
}

// logLine adds a line to the attempt's log.
func (in *instance) logLine(mem api.Memory, ptr, size uint32) int32 {
	size = min(size, uint32(min(in.p.manifest.Limits.Log, maxDocument)))
	view, ok := mem.Read(ptr, size)
	if !ok {
		return abi.ErrPointer
	}
	_, _ = in.log.Write(view) // a full log drops the rest without an error
	_, _ = in.log.Write([]byte{'\n'})
	return 0
}
