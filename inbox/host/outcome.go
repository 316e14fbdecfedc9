package host

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"inbox/inbox"
	"inbox/sdk/abi"
)

var errAbort = errors.New("the guest called abort")

// failure is an outcome with a reason in the host's own words, which everybody may be shown: nothing that the plugin wrote or
// was given may be in it.
func failure(result inbox.Result, format string, args ...any) inbox.Outcome {
	reason := fmt.Sprintf(format, args...)
	return inbox.Outcome{Result: result, Reason: reason, HostWords: len(reason)}
}

// withoutResult is what an end of a session means that had no result before it. Exit codes mean something in a command
// only: a session says what became of its event by done, so that any end before it is a failure.
func withoutResult(out inbox.Outcome, when string) inbox.Outcome {
	switch out.Result {
	case inbox.Retry, inbox.Reject:
		return failure(inbox.BadResult, "it ended %s: in a session %s means nothing", when, out.Reason)
	case inbox.OK, inbox.Skip:
		return failure(inbox.BadResult, "it ended %s", when)
	}
	return out
}

// outcome is what became of a guest that has ended: the bound it ran into, the way it broke, or what its exit code and
// output say. output is what it wrote as its result.
func (in *instance) outcome(parent context.Context, output []byte) inbox.Outcome {
	cause := context.Cause(in.ctx)
	var exit *sys.ExitError
	exited := errors.As(in.err, &exit)
	l := in.p.manifest.Limits
	switch {
	case errors.Is(cause, errTimeout):
		return failure(inbox.Timeout, "it used up its time of %s", in.time)
	case errors.Is(cause, errFuel):
		return failure(inbox.Fuel, "it used up its fuel of %d", in.meter.limit)
	case errors.Is(cause, errOutput):
		return failure(inbox.Output, "it wrote more than its %d bytes of result", l.Output)
	case parent.Err() != nil || cause != nil:
		return inbox.Outcome{Interrupted: true}
	case in.broken != nil:
		return failure(inbox.HostError, "the system has no memory for it, or the runtime broke: %v", in.broken)
	case in.err == nil:
		return parseResult(output)
	case exited:
		return in.exited(exit.ExitCode(), output)
	case in.memory.refused.Load():
		return in.outOfMemory()
	}
	return failure(inbox.Trap, "%s", trapText(in.err))
}

// exited is what an exit code means. Only those of the contract mean something.
func (in *instance) exited(code uint32, output []byte) inbox.Outcome {
	switch {
	case code == abi.ExitOK:
		return parseResult(output)
	case code == abi.ExitRetry:
		return failure(inbox.Retry, "exit code 75")
	case code == abi.ExitReject:
		return failure(inbox.Reject, "exit code 65")
	case in.memory.refused.Load():
		return in.outOfMemory()
	}
	return failure(inbox.Exit, "exit code %d", code)
}

func (in *instance) outOfMemory() inbox.Outcome {
	return failure(inbox.Memory, "it asked for more than its %d bytes of memory, and broke", in.p.manifest.Limits.Memory)
}

// trapText is the first line of wazero's message: what happened, without the stack of addresses under it.
func trapText(err error) string {
	text := err.Error()
	if i := strings.Index(text, "wasm error: "); i >= 0 {
		text = text[i+len("wasm error: "):]
	}
	text, _, _ = strings.Cut(text, "\n")
	if i := strings.LastIndex(text, " failed: "); i >= 0 { // "module[] function[_start] failed: stack overflow" of the compiler
		text = text[i+len(" failed: "):]
	}
	return text
}

// maxReason bounds a reason, in bytes: it stands in every list.
const maxReason = 1000

// clip cuts what a plugin says to maxReason, between two characters.
func clip(s string) string {
	if len(s) <= maxReason {
		return s
	}
	return strings.ToValidUTF8(s[:maxReason], "") + "…"
}
