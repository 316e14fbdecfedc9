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

// failure returns an outcome with a reason in the host's own words. Everybody may see those words, so args must not contain
// anything that the plugin wrote or was given.
func failure(result inbox.Result, format string, args ...any) inbox.Outcome {
	reason := fmt.Sprintf(format, args...)
	return inbox.Outcome{Result: result, Reason: reason, HostWords: len(reason)}
}

// withoutResult turns the end of a session that gave no result into a failure. Exit codes have a meaning in a command only; a
// session gives its result with done.
func withoutResult(out inbox.Outcome, when string) inbox.Outcome {
	switch out.Result {
	case inbox.Retry, inbox.Reject:
		return failure(inbox.BadResult, "it ended %s: in a session %s means nothing", when, out.Reason)
	case inbox.OK, inbox.Skip:
		return failure(inbox.BadResult, "it ended %s", when)
	}
	return out
}

// outcome returns the outcome of a guest that has ended: the limit that it hit, the way it failed, or its exit code and output.
// output is the result that it wrote. parent is the context of the attempt.
func (in *instance) outcome(parent context.Context, output []byte) inbox.Outcome {
	cause := context.Cause(in.ctx)
	if out, limited := in.limited(cause); limited {
		return out
	}
	var exit *sys.ExitError
	switch {
	case parent.Err() != nil || cause != nil:
		return inbox.Outcome{Interrupted: true}
	case in.broken != nil:
		return failure(inbox.HostError, "the system has no memory for it, or the runtime broke: %v", in.broken)
	case in.err == nil:
		return parseResult(output)
	case errors.As(in.err, &exit):
		return in.exited(exit.ExitCode(), output)
	case in.memory.refused.Load():
		return in.outOfMemory()
	}
	return failure(inbox.Trap, "%s", trapText(in.err))
}

// limited returns the outcome of a guest that the host stopped: at a limit, or because an import cannot go on.
func (in *instance) limited(cause error) (out inbox.Outcome, limited bool) {
	switch {
	case errors.Is(cause, errFetch), errors.Is(cause, errTimeout) && in.fetch.unfit != nil:
		return *in.fetch.unfit, true
	case errors.Is(cause, errTimeout):
		return failure(inbox.Timeout, "it used up its time of %s", in.time), true
	case errors.Is(cause, errFuel):
		return failure(inbox.Fuel, "it used up its fuel of %d", in.meter.limit), true
	case errors.Is(cause, errOutput):
		return failure(inbox.Output, "it wrote more than its %d bytes of result", in.p.manifest.Limits.Output), true
	case errors.Is(cause, errStore) && errors.Is(in.kv.err, inbox.ErrDamaged): // it stays damaged
		return failure(inbox.Unreadable, "a value of kv that it read is damaged; set or delete its key, or restore a backup"), true
	case errors.Is(cause, errStore):
		return inbox.Outcome{Interrupted: true, Unavailable: in.kv.err}, true
	case errors.Is(cause, errUnfit):
		return *in.emit.unfit, true
	}
	return inbox.Outcome{}, false
}

// outcomeOf returns the outcome of a session's result.
func (p *Program) outcomeOf(r *result) inbox.Outcome {
	out := parseResult(r.text)
	p.complete(&out, &r.did)
	out.Fuel = r.fuel
	return out
}

// complete adds to an outcome what the attempt read and fetched, and, to one that the plugin chose, what it wrote and emitted. Also a failure is
// void when it rests on values that have changed since: the plugin may have seen two keys that never held those values together.
func (p *Program) complete(out *inbox.Outcome, did *activity) {
	k := &did.kv
	p.keep(out, k, &did.emit)
	if out.Effects == nil && !out.Interrupted && len(k.reads)+len(k.lists) > 0 {
		k.addTo(effectsOf(out))
		out.Effects.KV = nil
	}
	did.fetch.addTo(out)
}

// keep adds what the attempt read, wrote and emitted to an outcome that the plugin chose. State, writes and emitted events commit
// with ok and skip only.
func (p *Program) keep(out *inbox.Outcome, k *kv, m *emissions) {
	switch out.Result {
	case inbox.OK, inbox.Skip, inbox.Retry, inbox.Reject:
	default:
		out.Effects = nil
		return
	}
	if unfit := m.addTo(out, p.manifest); unfit != nil {
		*out = *unfit
		return
	}
	if len(k.reads)+len(k.lists)+len(k.writes) > 0 {
		k.addTo(effectsOf(out))
	}
	if e := out.Effects; e != nil {
		bad := p.outside.check(e.Requests)
		if bad == nil {
			bad = m.checkAnswers(e.Requests, p.manifest)
		}
		if bad != nil {
			bad.Fuel, bad.Duration, bad.Log, bad.LogCut = out.Fuel, out.Duration, out.Log, out.LogCut
			*out = *bad
			return
		}
		if e.State != nil {
			e.State.Version = p.manifest.StateVersion
		}
		if !out.Result.Settled() {
			e.State, e.KV, e.Emit, e.Requests = nil, nil, nil, nil
		}
	}
}

// exited returns the outcome of an exit code. Codes outside the contract are failures.
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

// trapText returns the reason in wazero's message, without the stack trace under it.
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

// maxReason is the longest reason, in bytes: lists show it.
const maxReason = 1000

// clip cuts a plugin's text to maxReason bytes, between two characters.
func clip(s string) string {
	if len(s) <= maxReason {
		return s
	}
	return strings.ToValidUTF8(s[:maxReason], "") + "…"
}
