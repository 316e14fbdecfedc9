package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/sys"

	"inbox/inbox"
	"inbox/sdk/abi"
)

var errAbort = errors.New("the guest called abort")

// outcome is what became of a guest that has ended: the bound it ran into, the way it broke, or what its exit code and
// output say. output is what it wrote as its result.
func (in *instance) outcome(parent context.Context, output []byte) inbox.Outcome {
	cause := context.Cause(in.ctx)
	var exit *sys.ExitError
	exited := errors.As(in.err, &exit)
	l := in.p.manifest.Limits
	switch {
	case errors.Is(cause, errTimeout):
		return inbox.Outcome{Result: inbox.Timeout, Reason: fmt.Sprintf("it used up its time of %s", in.time)}
	case errors.Is(cause, errFuel):
		return inbox.Outcome{Result: inbox.Fuel, Reason: fmt.Sprintf("it used up its fuel of %d", in.meter.limit)}
	case errors.Is(cause, errOutput):
		return inbox.Outcome{Result: inbox.Output, Reason: fmt.Sprintf("it wrote more than its %d bytes of result", l.Output)}
	case parent.Err() != nil || cause != nil:
		return inbox.Outcome{Interrupted: true}
	case in.broken != nil:
		return inbox.Outcome{Result: inbox.HostError, Reason: fmt.Sprintf("the system has no memory for it, or the runtime broke: %v", in.broken)}
	case in.err == nil:
		return conclude(output)
	case exited:
		return in.exited(exit.ExitCode(), output)
	case in.memory.refused.Load():
		return in.starved()
	}
	return inbox.Outcome{Result: inbox.Trap, Reason: trapText(in.err)}
}

// exited is what an exit code means. Only those of the contract mean something.
func (in *instance) exited(code uint32, output []byte) inbox.Outcome {
	switch {
	case code == abi.ExitOK:
		return conclude(output)
	case code == abi.ExitRetry:
		return inbox.Outcome{Result: inbox.Retry, Reason: "exit code 75"}
	case code == abi.ExitReject:
		return inbox.Outcome{Result: inbox.Reject, Reason: "exit code 65"}
	case in.memory.refused.Load():
		return in.starved()
	}
	return inbox.Outcome{Result: inbox.Exit, Reason: fmt.Sprintf("exit code %d", code)}
}

func (in *instance) starved() inbox.Outcome {
	return inbox.Outcome{
		Result: inbox.Memory, Reason: fmt.Sprintf("it asked for more than its %d bytes of memory, and broke", in.p.manifest.Limits.Memory),
	}
}

// trapText is the first line of wazero's message: what happened, without the stack of addresses under it.
func trapText(err error) string {
	text := err.Error()
	if i := strings.Index(text, "wasm error: "); i >= 0 {
		text = text[i+len("wasm error: "):]
	}
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// conclude reads a result. Nothing at all means ok. Whatever is not a result of the contract is a failure: a bug must
// not acknowledge.
func conclude(result []byte) inbox.Outcome {
	result = bytes.TrimSpace(result)
	if len(result) == 0 {
		return inbox.Outcome{Result: inbox.OK}
	}
	bad := func(format string, args ...any) inbox.Outcome {
		return inbox.Outcome{Result: inbox.BadResult, Reason: fmt.Sprintf(format, args...)}
	}
	var r abi.Result
	dec := json.NewDecoder(bytes.NewReader(result))
	dec.DisallowUnknownFields()
	if result[0] != '{' {
		return bad("its output is not a result, which is a JSON object (a log belongs on standard error)")
	}
	if err := dec.Decode(&r); err != nil {
		return bad("its output is not a result: %v (a log belongs on standard error)", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return bad("its output goes on after the result (a log belongs on standard error)")
	}
	if key, why := oddKey(result); why != "" {
		return bad("its result has %q %s", clip(key), why)
	}
	for name, effect := range map[string]json.RawMessage{"state": r.State, "emit": r.Emit, "http": r.HTTP} {
		if len(effect) > 0 && string(effect) != "null" {
			return bad("its result asks for %q, which this version of inbox does not have", name)
		}
	}
	return said(r, bad)
}

// oddKey returns a key of a well-formed result that encoding/json lets pass and another reader would not understand so: one
// that is there twice, of which it takes the last, or one in other letters than the contract's, which are a to z and _.
func oddKey(result []byte) (key, why string) {
	dec := json.NewDecoder(bytes.NewReader(result))
	_, err := dec.Token() // {
	seen := map[string]bool{}
	for err == nil && dec.More() {
		var token json.Token
		token, err = dec.Token()
		key, _ = token.(string)
		switch {
		case seen[key]:
			return key, "twice"
		case strings.Trim(key, "abcdefghijklmnopqrstuvwxyz_") != "":
			return key, "in other letters than the contract has"
		}
		seen[key] = true
		var value json.RawMessage
		err = errors.Join(err, dec.Decode(&value))
	}
	return "", ""
}

// said turns a decoded result into an outcome.
func said(r abi.Result, bad func(string, ...any) inbox.Outcome) inbox.Outcome {
	out := inbox.Outcome{Reason: clip(r.Reason)}
	switch r.Outcome {
	case abi.OutcomeOK:
		out.Result = inbox.OK
	case abi.OutcomeSkip:
		out.Result = inbox.Skip
	case abi.OutcomeRetry:
		out.Result = inbox.Retry
	case abi.OutcomeReject:
		out.Result = inbox.Reject
	case "":
		return bad("its result has no outcome")
	default:
		return bad("its result has the unknown outcome %q", clip(r.Outcome))
	}
	if r.RetryAfter == "" {
		return out
	}
	wait, err := time.ParseDuration(r.RetryAfter)
	if err != nil || wait < 0 {
		return bad("its retry_after %q is not a duration such as \"30s\"", clip(r.RetryAfter))
	}
	if out.Result != inbox.Retry {
		return bad("its result has a retry_after with the outcome %q", r.Outcome)
	}
	out.RetryAfter = wait
	return out
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
