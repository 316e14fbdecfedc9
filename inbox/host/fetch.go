package host

import (
	"context"
	"errors"
	"time"

	"github.com/tetratelabs/wazero/api"

	"inbox/inbox"
	"inbox/inbox/egress"
	"inbox/sdk/abi"
)

// errFetch ends a guest whose fetch must not or cannot be answered. [fetches] has its outcome.
var errFetch = errors.New("a fetch ended it")

// perFetch is the price of one fetch, besides the bytes of its request and its answer.
const perFetch = 10_000

// maxFetchEntry is the longest entry of the import in bytes: the largest body, and as much again for escapes and white space.
const maxFetchEntry = 2 * inbox.MaxRequestBodies

// fetches are the calls of http_fetch of an attempt. They belong to the guest's goroutine.
type fetches struct {
	open     bool           // the guest has an event
	delivery fetchedFor     // names the attempt in idempotency keys
	journal  *inbox.Journal // answers the fetches; nil: they are sent
	used     []bool         // entries of journal that were answers
	list     []inbox.Fetched
	bytes    int            // of the answers of list
	result   []byte         // of the last acting import, for the import result
	unfit    *inbox.Outcome // the outcome of a guest that errFetch ended
}

// fetchedFor names an attempt.
type fetchedFor struct {
	id      string
	run     int64
	attempt int
}

// newFetches returns the fetches of an attempt.
func newFetches(c *Call) fetches {
	f := fetches{open: true, delivery: c.fetches, journal: c.Journal}
	if c.Journal != nil {
		f.used = make([]bool, len(c.Journal.Fetches))
	}
	return f
}

// fetchFunctions returns the functions of module inbox_v1 that ask a server.
func fetchFunctions() []hostFunction {
	return []hostFunction{
		define(abi.HTTPFetch, 2, 1, both(sized(1), flat(perFetch)), session(func(_ context.Context, in *instance, mem api.Memory, p []uint64) int32 {
			return in.httpFetch(mem, uint32(p[0]), uint32(p[1]))
		})),
		define(abi.ResultOf, 3, 1, few(), session(func(_ context.Context, in *instance, mem api.Memory, p []uint64) int32 {
			return in.resultOf(mem, uint32(p[0]), uint32(p[1]), uint32(p[2]))
		})),
	}
}

// httpFetch answers one fetch of the guest.
func (in *instance) httpFetch(mem api.Memory, ptr, size uint32) int32 {
	f := &in.fetch
	if !f.open {
		return abi.ErrState
	}
	if size > maxFetchEntry {
		return abi.ErrTooLarge
	}
	view, ok := mem.Read(ptr, size)
	if !ok {
		return abi.ErrPointer
	}
	if len(f.list) >= inbox.MaxFetches || f.bytes >= inbox.MaxFetchedBytes {
		return abi.ErrQuota
	}
	r, code := in.fetchRequest(view)
	if code != 0 {
		return code
	}
	answer := in.answerFetch(&r)
	f.list = append(f.list, answer)
	f.bytes += len(answer.Document)
	if answer.Ended != "" {
		in.endFetch(answer.Ended, &answer)
	}
	f.result = answer.Document
	in.spend(int64(len(answer.Document)))
	return int32(len(answer.Document))
}

// fetchRequest reads and checks the request of a fetch. The code is 0 for one that may be sent. The log says what is wrong with a
// request that is not valid; one that is not granted ends the guest.
func (in *instance) fetchRequest(view []byte) (r inbox.Request, code int32) {
	entry, ok := oneObject(view)
	why := "is not a JSON object"
	if ok {
		r, why = requestOf(entry)
	}
	switch {
	case why != "":
	case r.Raw || r.Then != "":
		why = "has raw or then, which only requests of the result have"
	case len(r.Body) > inbox.MaxRequestBodies:
		return r, abi.ErrTooLarge
	default:
		err := in.p.outside.client.Check(egress.Call{Request: r, IdempotencyKey: "check"})
		if err == nil {
			return r, 0
		}
		if inbox.KindOf(err) == inbox.Forbidden {
			in.fetch.unfit = deniedFetch(&r, err)
			in.cancel(errFetch)
			unwind(errFetch)
		}
		why = "cannot be sent: " + err.Error()
	}
	_, _ = in.log.Write([]byte("inbox: http_fetch: the request " + why + "\n")) // a full log drops the rest without an error
	return r, abi.ErrEntry
}

// deniedFetch returns the outcome of an attempt whose request is not granted.
func deniedFetch(r *inbox.Request, err error) *inbox.Outcome {
	out := failure(inbox.Denied, "it fetches what is not granted")
	if errors.Is(err, egress.ErrNotGranted) && !errors.Is(err, egress.ErrRedirect) {
		out = failure(inbox.Denied, "it fetches from %s, which is not granted; [http] allow in its NAME.toml grants it", originOf(r.URL))
		return &out
	}
	out = quoted(out, []byte(err.Error()))
	return &out
}

// answerFetch answers a request from the journal, or sends it.
func (in *instance) answerFetch(r *inbox.Request) inbox.Fetched {
	f := &in.fetch
	digest := inbox.DigestFetch(r)
	if f.journal != nil {
		return in.recordedAnswer(r, digest)
	}
	answer := inbox.Fetched{Method: r.Method, URL: r.URL, Origin: originOf(r.URL), Digest: digest, StartedAt: time.Now()}
	client := in.p.outside.sender
	if client == nil {
		out := failure(inbox.HostError, "it fetches from %s, and this program opens no connections for plugins", answer.Origin)
		f.unfit = &out
		in.cancel(errFetch)
		unwind(errFetch)
	}
	key := inbox.FetchKey(f.delivery.id, f.delivery.run, f.delivery.attempt, len(f.list), digest)
	response, err := client.Do(in.stop, egress.Call{Request: *r, IdempotencyKey: key, Time: in.time})
	answer.Duration = time.Since(answer.StartedAt)
	switch {
	case err == nil:
		answer.Status, answer.Document = response.Status, inbox.AnswerDocument(response)
	case in.stop.Err() != nil && !errors.Is(context.Cause(in.stop), errTimeout): // the attempt is void
		unwind(errOverdue)
	case in.stop.Err() != nil:
		answer.Ended, answer.Why = inbox.Timeout, "no complete response in the time that the attempt had left"
	case inbox.KindOf(err) == inbox.Forbidden: // a redirect, or the address of the name
		answer.Ended, answer.Why = inbox.Denied, err.Error()
		f.unfit = deniedFetch(r, err)
	default:
		answer.Why, answer.Document = err.Error(), inbox.FailedFetchDocument(err.Error())
	}
	return answer
}

// recordedAnswer returns the answer of the journal to a request. Each entry answers one request. A request that is not in the
// journal ends the guest: no other answer would be that of the attempt that the journal is of.
func (in *instance) recordedAnswer(r *inbox.Request, digest inbox.FetchDigest) inbox.Fetched {
	f := &in.fetch
	for i := range f.journal.Fetches {
		if e := &f.journal.Fetches[i]; !f.used[i] && e.Digest == digest {
			f.used[i] = true
			answer := *e
			answer.Again = true
			return answer
		}
	}
	// Reject: no other attempt would end in another way, and the plugin itself is not at fault.
	out := failure(inbox.Reject, "its fetch %d, %s %s, is not in the journal of the attempt that answers its fetches, and no connection is opened; "+
		"a replay with --effects send asks the server", len(f.list)+1, r.Method, originOf(r.URL))
	f.unfit = &out
	in.cancel(errFetch)
	unwind(errFetch)
	return inbox.Fetched{}
}

// endFetch ends the guest after a fetch that ended the attempt, and does not return.
func (in *instance) endFetch(how inbox.Result, answer *inbox.Fetched) {
	f := &in.fetch
	switch {
	case f.unfit != nil:
	case how == inbox.Timeout:
		out := failure(inbox.Timeout, "it used up its time of %s in a fetch from %s", in.time, answer.Origin)
		f.unfit = &out
	default:
		out := quoted(failure(how, "it fetches what is not granted"), []byte(answer.Why))
		f.unfit = &out
	}
	in.cancel(errFetch)
	unwind(errFetch)
}

// resultOf copies the result of the last acting import.
func (in *instance) resultOf(mem api.Memory, off, buf, size uint32) int32 {
	switch result := in.fetch.result; {
	case !in.fetch.open:
		return abi.ErrState
	case result == nil:
		return abi.None
	default:
		rest := result[min(uint64(off), uint64(len(result))):]
		if code := in.copyOut(mem, rest, buf, size); code < 0 {
			return code
		}
		return int32(len(result))
	}
}

// addTo adds the journal of an attempt to its outcome.
func (f *fetches) addTo(out *inbox.Outcome) {
	if len(f.list) > 0 && !out.Interrupted {
		effectsOf(out).Journal = f.list
	}
}
