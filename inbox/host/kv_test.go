package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/host"
)

// pairs is a kv in memory. Its versions count from 1 in the order of the keys.
type pairs struct {
	values map[string]string
	err    error // of every call
}

func (p *pairs) keys() []string {
	var keys []string
	for k := range p.values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (p *pairs) Get(_ context.Context, key string) ([]byte, int64, error) {
	value, ok := p.values[key]
	if !ok || p.err != nil {
		return nil, 0, p.err
	}
	return []byte(value), int64(slices.Index(p.keys(), key)) + 1, nil
}

func (p *pairs) List(_ context.Context, prefix, after string, limit int) ([]inbox.KVKey, error) {
	var list []inbox.KVKey
	for i, key := range p.keys() {
		if strings.HasPrefix(key, prefix) && (after == "" || key > after) {
			list = append(list, inbox.KVKey{Key: key, Version: int64(i) + 1})
		}
	}
	return list[:min(len(list), limit)], p.err
}

func (p *pairs) Usage(context.Context) (keys int, bytes int64, err error) {
	for k, v := range p.values {
		bytes += int64(len(k) + len(v))
	}
	return len(p.values), bytes, p.err
}

// kvProgram compiles the guest that does what its event says.
func kvProgram(t *testing.T, reuse int, limit int64) *host.Program {
	t.Helper()
	m := inbox.Manifest{Limits: inbox.Limits{Time: 30 * time.Second, KV: limit}, Reuse: reuse}.WithDefaults(1)
	p, err := newHost(t).Compile(context.Background(), buildGo(t, "inbox/inbox/host/testdata/kvguest"), &m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(context.Background()) })
	return p
}

// attemptLines makes an attempt with an event whose body is a list of lines.
func attemptLines(t *testing.T, p *host.Program, kv inbox.KV, lines ...string) inbox.Outcome {
	t.Helper()
	body, err := json.Marshal(lines)
	if err != nil {
		t.Fatal(err)
	}
	e, payload := event(inbox.Passed, string(body))
	return p.Attempt(context.Background(), &inbox.Work{
		Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 5, Attempt: 1}, KV: kv, Now: e.ReceivedAt,
	})
}

func TestAnAttemptSeesItsOwnWritesAndReportsWhatItReadAndWrote(t *testing.T) {
	t.Parallel()
	p := kvProgram(t, 100, inbox.DefaultKV)
	kv := &pairs{values: map[string]string{"a/1": "one", "a/2": "two", "b": "bee"}}
	for range 2 { // the second event of an instance sees nothing of the first
		out := attemptLines(t, p, kv, "get a/1", "set a/1 new", "get a/1", "delete a/2", "get a/2", "set a/3 x", "list a/", "list a/ a/1", "get none")
		want := strings.Join([]string{
			`get a/1: "one" true <nil>`, `set a/1 new: <nil>`, `get a/1: "new" true <nil>`, `delete a/2: <nil>`, `get a/2: "" false <nil>`,
			`set a/3 x: <nil>`, `list a/: [a/1 a/3] <nil>`, `list a/ a/1: [a/3] <nil>`, `get none: "" false <nil>`, ``,
		}, "\n")
		if diff := cmp.Diff(want, string(out.Log)); out.Result != inbox.OK || diff != "" {
			t.Fatalf("%s (%s); (-want +got)\n%s", out.Result, out.Reason, diff)
		}
		e := out.Effects
		if diff := cmp.Diff([]inbox.KVChange{{Key: "a/1", Value: []byte("new")}, {Key: "a/2", Deleted: true}, {Key: "a/3", Value: []byte("x")}}, e.KV); diff != "" {
			t.Errorf("the changes (-want +got)\n%s", diff)
		}
		slices.SortFunc(e.Reads.Keys, func(a, b inbox.KVKey) int { return strings.Compare(a.Key, b.Key) })
		if diff := cmp.Diff([]inbox.KVKey{{Key: "a/1", Version: 1}, {Key: "none"}}, e.Reads.Keys); diff != "" || len(e.Reads.Lists) != 2 || e.KVLimit != inbox.DefaultKV {
			t.Errorf("%d listings, limit %d; the reads (-want +got)\n%s", len(e.Reads.Lists), e.KVLimit, diff)
		}
	}
}

func TestWritesCommitWithOkAndSkipOnly(t *testing.T) {
	t.Parallel()
	p := kvProgram(t, 100, inbox.DefaultKV)
	for word, want := range map[string]int{"ok": 1, "skip": 1, "retry": 0, "reject": 0} {
		out := attemptLines(t, p, &pairs{}, "get k", "set k v", "outcome "+word)
		if out.Effects == nil || len(out.Effects.KV) != want || len(out.Effects.Reads.Keys) != 1 {
			t.Errorf("%s (%s) has the effects %+v", out.Result, out.Reason, out.Effects)
		}
	}
	if out := attemptLines(t, p, &pairs{}, "set k v", "panic"); out.Result.Settled() || out.Effects != nil {
		t.Errorf("a failure (%s) has the effects %+v", out.Result, out.Effects)
	}
}

func TestKVIsBounded(t *testing.T) {
	t.Parallel()
	p := kvProgram(t, 100, 2000)
	full := &pairs{values: map[string]string{"old": strings.Repeat("x", 1000)}}
	for line, want := range map[string]string{
		"get " + strings.Repeat("k", 257): "the key is empty, longer",
		"set  v":                          "the key is empty, longer",
		"fill k 300000":                   "more than 256 KiB",
		"fill k 997":                      ": kv set \"k\": the quota", // 1003 + 998 bytes
		"fill k 996":                      "fill k 996: <nil>",
		"fill old 1500":                   "fill old 1500: <nil>", // it replaces 1000 bytes
		"flood k 1001":                    "after 527: ",          // keys of 2 to 4 bytes fill the quota
		"peek k 10001":                    "after 10000: kv get",
	} {
		kv := full
		if strings.HasPrefix(line, "flood") {
			kv = &pairs{}
		}
		out := attemptLines(t, p, kv, line)
		if !strings.Contains(string(out.Log), want) {
			t.Errorf("%.40s: %s (%s), log %.200q; want %q", line, out.Result, out.Reason, out.Log, want)
		}
	}
}

func TestListedKeysCountAsReads(t *testing.T) {
	t.Parallel()
	p := kvProgram(t, 1, inbox.DefaultKV)
	kv := &pairs{values: map[string]string{}}
	for i := range 1500 {
		kv.values[fmt.Sprintf("k%04d", i)] = ""
	}
	// Each listing returns 1000 keys, so the eleventh begins beyond the bound.
	out := attemptLines(t, p, kv, slices.Repeat([]string{"list k"}, 12)...)
	if out.Result != inbox.OK || len(out.Effects.Reads.Lists) != 10 {
		t.Errorf("%s (%s), %d listings, log %.300q", out.Result, out.Reason, len(out.Effects.Reads.Lists), out.Log)
	}
}

func TestAPluginTidiesAKVBeyondALoweredQuota(t *testing.T) {
	t.Parallel()
	p := kvProgram(t, 1, 100)
	kv := &pairs{values: map[string]string{"old": strings.Repeat("x", 300), "k": ""}}
	for line, fits := range map[string]bool{"fill old 299": true, "fill old 300": true, "fill old 301": false, "fill new 1": false} {
		if out := attemptLines(t, p, kv, line); strings.Contains(string(out.Log), line+": <nil>") != fits {
			t.Errorf("%s: %s (%s), log %.200q", line, out.Result, out.Reason, out.Log)
		}
	}
}

func TestAnAttemptWritesAtMostAThousandKeysAndAMegabyte(t *testing.T) {
	t.Parallel()
	p := kvProgram(t, 100, inbox.DefaultKV)
	if out := attemptLines(t, p, &pairs{}, "flood k 1001", "set k0 again"); !strings.Contains(string(out.Log), "after 1000: ") || !strings.Contains(string(out.Log), "set k0 again: <nil>") {
		t.Errorf("%s (%s), log %.200q", out.Result, out.Reason, out.Log)
	}
	lines := []string{"fill a 262144", "fill b 262144", "fill c 262144", "fill d 262144", "fill d 262000", "fill a 0", "fill d 262144"}
	out := attemptLines(t, p, &pairs{}, lines...)
	if got := strings.Count(string(out.Log), "quota"); got != 1 || len(out.Effects.KV) != 4 {
		t.Errorf("%s (%s), log %.500q", out.Result, out.Reason, out.Log)
	}
}

func TestAnAttemptIsVoidWhenTheStoreCannotBeRead(t *testing.T) {
	t.Parallel()
	p := kvProgram(t, 1, inbox.DefaultKV)
	broken := errors.New("the file cannot be read")
	for _, line := range []string{"get k", "set k v", "list k"} {
		out := attemptLines(t, p, &pairs{err: broken}, line)
		if !out.Interrupted || !errors.Is(out.Unavailable, broken) {
			t.Errorf("%s: %+v", line, out)
		}
	}
	if out := attemptLines(t, p, &pairs{err: fmt.Errorf("read: %w", inbox.ErrDamaged)}, "get k"); out.Result != inbox.Unreadable || out.Interrupted || out.Unavailable != nil {
		t.Errorf("a damaged value, which no later attempt can read: %+v", out) // it would begin again for ever
	}
	if out := attemptLines(t, p, &pairs{}, "set k v"); out.Result != inbox.OK {
		t.Errorf("afterwards: %s (%s)", out.Result, out.Reason)
	}
}

func TestAlsoAFailedAttemptSaysWhatItReadAndWritesNothing(t *testing.T) {
	t.Parallel()
	p := kvProgram(t, 1, inbox.DefaultKV)
	out := attemptLines(t, p, &pairs{values: map[string]string{"k": "1"}}, "get k", "set other v", "list k", "panic")
	if out.Result.Settled() || out.Effects == nil || !out.Effects.Empty() || len(out.Effects.Reads.Lists) != 1 {
		t.Fatalf("%s: %+v", out.Result, out.Effects)
	}
	if diff := cmp.Diff([]inbox.KVKey{{Key: "k", Version: 1}}, out.Effects.Reads.Keys); diff != "" {
		t.Error(diff)
	}
}

func TestTheExampleWithStateAndKVCounts(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{Limits: inbox.Limits{Time: 30 * time.Second}, StateVersion: 3}.WithDefaults(1)
	p, err := newHost(t).Compile(context.Background(), buildGo(t, "inbox/examples/checks-go"), &m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	if !p.UsesKV() {
		t.Error("it uses no kv")
	}
	kv := &pairs{values: map[string]string{}}
	var state inbox.State
	for i := 1; i <= 3; i++ {
		e, payload := event(inbox.Passed, `{}`)
		out := p.Attempt(context.Background(), &inbox.Work{
			Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 5, Attempt: 1}, State: state, KV: kv, Now: e.ReceivedAt,
		})
		if out.Result != inbox.OK || out.Effects == nil || out.Effects.State == nil {
			t.Fatalf("%s (%s): %+v", out.Result, out.Reason, out.Effects)
		}
		state = out.Effects.State.State
		if want := fmt.Sprintf(`{"events":%d,"verdicts":{"address":"passed"}}`, i); string(state.Document) != want || state.Version != 3 {
			t.Errorf("the state is %s of version %d, want %s", state.Document, state.Version, want)
		}
		for _, c := range out.Effects.KV {
			kv.values[c.Key] = string(c.Value)
		}
	}
	if kv.values["verdicts/passed"] != "3" {
		t.Errorf("kv holds %v", kv.values)
	}
}

func TestAPluginWithoutKVImportsNoneOfIt(t *testing.T) {
	t.Parallel()
	m := inbox.Manifest{}.WithDefaults(1)
	p, err := newHost(t).Compile(context.Background(), buildGo(t, "inbox/examples/hello-go"), &m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	if p.UsesKV() {
		t.Errorf("it imports %v", p.Info().Imports)
	}
}
