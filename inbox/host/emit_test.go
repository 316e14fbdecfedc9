package host_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/sdk/abi"
)

// answers is an entry that a guest emits, and the code that it expects. The guest traps at another code.
type answers struct {
	entry string
	code  int64
}

// emitting is a session that emits entries by the import, each times times, and then gives a result.
func emitting(times int64, result string, entries ...answers) []byte {
	g := guest{imports: append(slices.Clip(sessionImports), imported("inbox_v1", "emit", 0, 2)), locals: []byte{1, 1, 0x7f}}
	at := int64(64 << 10) // the document is below
	put := func(text string) (ptr, size int64) {
		ptr, size = at, int64(len(text))
		g.data = append(g.data, slices.Concat([]byte{0}, i32(ptr), []byte{0x0b}, sized([]byte(text))))
		at += size
		return ptr, size
	}
	g.code = slices.Concat(i32(0, 64<<10), []byte{0x10, 0, 0x1a})
	for _, e := range entries {
		ptr, size := put(e.entry)
		trapUnless := slices.Concat(i32(ptr, size), []byte{0x10, 2}, i32(e.code), []byte{0x47, 0x04, 0x40, 0x00, 0x0b})
		g.code = slices.Concat(g.code, i32(times), []byte{0x21, 0, 0x03, 0x40}, trapUnless,
			[]byte{0x20, 0}, i32(1), []byte{0x6b, 0x22, 0, 0x0d, 0, 0x0b})
	}
	ptr, size := put(result)
	g.code = slices.Concat(g.code, i32(ptr, size), []byte{0x10, 1, 0x1a})
	g.pages = uint64(at)>>16 + 1
	return g.wasm()
}

// emits runs a guest that was granted customer.* with an event of a depth. An emitted event may have three descendants.
func emits(t *testing.T, h *host.Host, wasm []byte, depth int) inbox.Outcome {
	t.Helper()
	m := limits()
	m.Emit, m.Limits.Output = []string{"customer.*"}, 4<<20
	p, err := h.Compile(context.Background(), wasm, m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	e, payload := event(inbox.Passed, `{}`)
	e.Depth, e.Share = depth, 3
	return p.Attempt(context.Background(), &inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 5, Attempt: 1}, Now: e.ReceivedAt})
}

// list returns the emitted events of an outcome, as text.
func list(o inbox.Outcome) string {
	if o.Effects == nil {
		return ""
	}
	var b bytes.Buffer
	for _, e := range o.Effects.Emit {
		fmt.Fprintf(&b, "%s|%s|%s|%s\n", e.Event, e.EventType, e.Key, e.Body)
	}
	return b.String()
}

func TestEventsOfTheImportAndOfTheResultAreEmittedTogether(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	guest := emitting(1, `{"outcome":"ok","emit":[{"event":"customer.last","body":[1.0,1e2]},{"event":"customer.bare","key":null}]}`,
		answers{` {"event":"customer.passed","event_type":"t","key":"é","body":{"a": "\u00e9"}} ` + "\n", 0})
	if got, want := list(emits(t, h, guest, 0)), "customer.passed|t|é|{\"a\": \"\\u00e9\"}\ncustomer.last|||[1.0,1e2]\ncustomer.bare|||null\n"; got != want {
		t.Errorf("emitted %s, want %s", got, want)
	}
	skip := `{"outcome":"skip","emit":[{"event":"customer.passed"}]}`
	if got := list(emits(t, h, emitting(1, skip), 7)); got != "customer.passed|||null\n" {
		t.Errorf("skip emitted %s", got)
	}
	for _, word := range []string{"retry", "reject"} {
		out := emits(t, h, emitting(1, `{"outcome":"`+word+`","emit":[{"event":"customer.passed"}]}`, answers{`{"event":"customer.passed"}`, 0}), 0)
		if out.Result != inbox.Result(word) || list(out) != "" {
			t.Errorf("%s: %s (%s) emitted %s", word, out.Result, out.Reason, list(out))
		}
	}
}

func TestWhatMustNotBeEmittedFailsTheAttempt(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ok := `{"event":"customer.passed"}`
	longest := `{"event":"customer.passed","body":"` + strings.Repeat("x", inbox.MaxEmittedBytes-len(`customer.passed""`)) + `"}`
	result := func(entries ...string) []byte {
		return emitting(1, `{"outcome":"ok","emit":[`+strings.Join(entries, ",")+`]}`)
	}
	for name, c := range map[string]struct {
		guest  []byte
		depth  int
		result inbox.Result
		says   string
	}{
		"a name that was not granted":               {result(ok, `{"event":"other.passed"}`), 0, inbox.Denied, "it was not granted"},
		"a name that was not granted, by import":    {emitting(1, "", answers{`{"event":"other.passed"}`, 0}), 0, inbox.Denied, "it was not granted"},
		"a name that was not granted, and a retry":  {emitting(1, `{"outcome":"retry","emit":[{"event":"other.passed"}]}`), 0, inbox.Denied, "it was not granted"},
		"an event beyond the last depth":            {result(ok), inbox.MaxDepth, inbox.BadResult, "depth 8"},
		"an event beyond the last depth, by import": {emitting(1, "", answers{ok, 0}), inbox.MaxDepth, inbox.BadResult, "depth 8"},
		"all that is left of the allowance":         {result(ok, ok, ok), 1, inbox.OK, ""},
		"more than is left of the allowance":        {result(ok, ok, ok, ok), 1, inbox.BadResult, "more than 3 events, which are left"},
		"more than is left, by import":              {emitting(4, "", answers{ok, 0}), 1, inbox.BadResult, "more than 3 events, which are left"},
		"no event in answer to the last depth":      {result(), inbox.MaxDepth, inbox.OK, ""},
		"the longest list":                          {result(slices.Repeat([]string{ok}, inbox.MaxEmissions)...), 0, inbox.OK, ""},
		"a longer list":                             {result(slices.Repeat([]string{ok}, inbox.MaxEmissions+1)...), 0, inbox.Output, "more than the 100 events"},
		"a list that is too long with the import's": {emitting(60, `{"outcome":"ok","emit":[`+strings.Repeat(ok+",", 40)+ok+`]}`, answers{ok, 0}), 0, inbox.Output, "more than 100 events"},
		"the most bytes":                            {result(longest), 0, inbox.OK, ""},
		"more bytes":                                {result(ok, longest), 0, inbox.Output, "1048576 bytes"},
		"the most bytes by import":                  {emitting(1, "", answers{longest, 0}, answers{ok, -5}), 0, inbox.OK, ""},
		"more events by import":                     {emitting(100, "", answers{ok, 0}, answers{ok, -5}), 0, inbox.OK, ""},
		"no list":                                   {emitting(1, `{"outcome":"ok","emit":{"event":"customer.passed"}}`), 0, inbox.BadResult, "its emit is an object and not a list"},
		"no object":                                 {result(ok, `"customer.passed"`), 0, inbox.BadResult, "event 2 of its emit is not an object"},
		"no name":                                   {result(`{"body":1}`), 0, inbox.BadResult, "event 1 of its emit has no event"},
		"a name without a dot":                      {result(`{"event":"passed"}`), 0, inbox.BadResult, "without a dot"},
		"a name that is a pattern":                  {result(`{"event":"customer.*"}`), 0, inbox.BadResult, "that is no name"},
		"a name with a line":                        {result(`{"event":"customer.\n"}`), 0, inbox.BadResult, "that is no name"},
		"a long name":                               {result(`{"event":"customer.` + strings.Repeat("x", 120) + `"}`), 0, inbox.BadResult, "that is no name"},
		"a type that is no name":                    {result(`{"event":"customer.passed","event_type":"a/b"}`), 0, inbox.BadResult, "event_type that is no name"},
		"a name that is no text":                    {result(`{"event":7}`), 0, inbox.BadResult, "event that is no text"},
		"a long key":                                {result(`{"event":"customer.passed","key":"` + strings.Repeat("x", 257) + `"}`), 0, inbox.BadResult, "more than 256 bytes"},
		"a key with a control character":            {result(`{"event":"customer.passed","key":"a\u0085"}`), 0, inbox.BadResult, "control character"},
		"a body that is not UTF-8":                  {result("{\"event\":\"customer.passed\",\"body\":\"\xff\"}"), 0, inbox.BadResult, "not UTF-8"},
		"a name twice":                              {result(`{"event":"customer.passed","event":"customer.failed"}`), 0, inbox.BadResult, `has "event" twice`},
		"an unknown member":                         {result(`{"event":"customer.passed","boby":1}`), 0, inbox.BadResult, `did you mean "body"?`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := emits(t, h, c.guest, c.depth)
			if out.Result != c.result || !strings.Contains(out.Reason, c.says) {
				t.Errorf("%s (%s), want %s (…%s…)", out.Result, out.Reason, c.result, c.says)
			}
			if strings.Contains(out.Reason[:out.HostWords], "other.passed") || strings.Contains(out.Reason[:out.HostWords], "boby") {
				t.Errorf("the host's own words have the plugin's: %s", out.Reason[:out.HostWords])
			}
			if out.Result != inbox.OK && out.Effects != nil {
				t.Errorf("it has effects: %+v", out.Effects)
			}
		})
	}
}

func TestTheContractHasTheBoundsOfTheHost(t *testing.T) {
	t.Parallel()
	if abi.MaxEmissions != inbox.MaxEmissions || abi.MaxEmittedBytes != inbox.MaxEmittedBytes {
		t.Error("they differ")
	}
}

func TestAGuestPaysForTheBytesThatItEmits(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	fuel := func(n int) int64 {
		return emits(t, h, emitting(1, "", answers{`{"event":"customer.passed","body":"` + strings.Repeat("x", n) + `"}`, 0}), 0).Fuel
	}
	if small, large := fuel(0), fuel(100_000); large-small != 100_000 {
		t.Errorf("100,000 bytes cost %d", large-small)
	}
}

// The events of one attempt must not be emitted by the next.
func TestAReusedSessionEmitsEachEventOnce(t *testing.T) {
	t.Parallel()
	m := limits()
	m.Emit, m.Reuse = []string{"customer.*"}, 10
	entry := `{"event":"customer.passed"}`
	code := slices.Concat([]byte{0x03, 0x40}, i32(0, 4096), []byte{0x10, 0}, i32(0), []byte{0x4e, 0x04, 0x40}, // while next gives an event
		i32(8192, int64(len(entry))), []byte{0x10, 2, 0x1a}, i32(0, 0), []byte{0x10, 1, 0x1a}, []byte{0x0c, 1, 0x0b, 0x0b})
	wasm := guest{
		imports: append(slices.Clip(sessionImports), imported("inbox_v1", "emit", 0, 2)), code: code,
		data: [][]byte{slices.Concat([]byte{0}, i32(8192), []byte{0x0b}, sized([]byte(entry)))},
	}.wasm()
	p, err := newHost(t).Compile(context.Background(), wasm, m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	for range 3 {
		if out := attempt(p, `{}`); out.Result != inbox.OK || list(out) != "customer.passed|||null\n" {
			t.Errorf("%s (%s) emitted %s", out.Result, out.Reason, list(out))
		}
	}
}

func TestAGoPluginEmitsByTheImportAndWithItsAnswer(t *testing.T) {
	t.Parallel()
	m := limits()
	m.Emit, m.Limits.Time = []string{"customer.*"}, 20*time.Second
	p, err := newHost(t).Compile(context.Background(), buildGo(t, "inbox/inbox/host/testdata/emitter"), m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	out := attempt(p, `{}`)
	if got, want := list(out), "customer.seen|t||\"qoreid/address/1\"\ncustomer.passed||all|{\"n\":1}\n"; out.Result != inbox.OK || got != want {
		t.Errorf("%s (%s) emitted %s, want %s", out.Result, out.Reason, got, want)
	}
}
