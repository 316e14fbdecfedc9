package host_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
)

// shown compiles a guest that sees only /data/photo and /data/id, and texts of up to 10 bytes.
func shown(t *testing.T, h *host.Host, wasm []byte, reuse int, limit time.Duration) (*host.Program, *inbox.Manifest) {
	t.Helper()
	m := limits()
	m.Reuse, m.Limits.Time = reuse, limit
	m.Data = inbox.Data{Fields: []string{"/data/photo", "/data/id"}, InlineMax: 10}
	p, err := h.Compile(context.Background(), wasm, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(context.Background()) })
	return p, m
}

// attempt makes an attempt with an event that has a body.
func attempt(p *host.Program, body string) inbox.Outcome {
	e, payload := event(inbox.Passed, body)
	return p.Attempt(context.Background(), &inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 5, Attempt: 1}, Now: e.ReceivedAt})
}

func TestAGuestReadsTextsThatWereLeftOutAndNothingElse(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for name, c := range map[string]struct {
		body   string
		result inbox.Result
		log    string
	}{
		"session_read":     {`{"data":{"photo":"01234567890123456789","id":1},"secret":"01234567890123456789"}`, inbox.OK, "01234567890123456789\n"},
		"session_read_bad": {`{"data":{"photo":"01234567890123456789","id":1},"secret":"01234567890123456789"}`, inbox.OK, "data\n"},
		"read":             {`{"data":{"photo":"é\n\u00e9\/\ud83d\ude00\ud800 and more"}}`, inbox.OK, "é\né/😀\ufffd and more"},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := shown(t, h, fixture(t, name), 1, 20*time.Second)
			var fuel int64
			for range 3 {
				out := attempt(p, c.body)
				if out.Result != c.result || string(out.Log) != c.log {
					t.Errorf("%s (%s): it read %q", out.Result, out.Reason, out.Log)
				}
				if fuel != 0 && out.Fuel != fuel {
					t.Errorf("it spent %d and then %d", fuel, out.Fuel)
				}
				fuel = out.Fuel
			}
			if name == "session_read_bad" && fuel < 2*(1<<32-1) { // two of its lengths claim 4 GiB
				t.Errorf("it spent %d", fuel)
			}
		})
	}
}

// The texts of one event must not be visible in the next.
func TestAReusedSessionReadsItsOwnEvent(t *testing.T) {
	t.Parallel()
	p, _ := shown(t, newHost(t), fixture(t, "session_read"), 100, 20*time.Second)
	for _, photo := range []string{strings.Repeat("a", 20), strings.Repeat(`\/`, 15), strings.Repeat("b", 11)} {
		out := attempt(p, `{"data":{"photo":"`+photo+`"}}`)
		if want := strings.ReplaceAll(photo, `\`, "") + "\n"; out.Result != inbox.OK || string(out.Log) != want {
			t.Errorf("%s (%s): it read %q, want %q", out.Result, out.Reason, out.Log, want)
		}
	}
	if out := attempt(p, `{"data":{"photo":"short"}}`); out.Result != inbox.Trap { // the guest traps when it learns that there is no text
		t.Errorf("%s (%s): it read %q", out.Result, out.Reason, out.Log)
	}
}

func TestReadingIsChargedByTheByteAndEndsInTime(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	photo := strings.Repeat("a", 60_000)
	p, m := shown(t, h, fixture(t, "session_read_flood"), 1, 300*time.Millisecond)
	if out := attempt(p, `{"data":{"photo":"`+photo+`"}}`); out.Result != inbox.Timeout {
		t.Errorf("%s (%s)", out.Result, out.Reason)
	}
	limited := *m
	limited.Limits.Time, limited.Limits.Fuel = time.Minute, 10_000_000
	q, err := h.Compile(context.Background(), fixture(t, "session_read_flood"), &limited)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close(context.Background())
	if out := attempt(q, `{"data":{"photo":"`+photo+`"}}`); out.Result != inbox.Fuel {
		t.Errorf("%s (%s)", out.Result, out.Reason)
	}
	plain, _ := shown(t, h, fixture(t, "session_read"), 100, 20*time.Second)
	one, escaped := attempt(plain, `{"data":{"photo":"`+strings.Repeat("a", 70)+`"}}`), attempt(plain, `{"data":{"photo":"`+strings.Repeat(`\/`, 70)+`"}}`)
	if got := escaped.Fuel - one.Fuel; got != 142 {
		t.Errorf("decoding 142 bytes cost %d", got)
	}
	command, _ := shown(t, h, fixture(t, "read"), 1, 20*time.Second)
	short, long := attempt(command, `{"data":{"photo":"`+photo[:10_000]+`"}}`), attempt(command, `{"data":{"photo":"`+photo+`"}}`)
	if got := long.Fuel - short.Fuel; got != 2*50_000 { // each byte is read once and written once
		t.Errorf("reading and writing 50000 bytes more cost %d", got)
	}
}

func TestAGuestReadsABodyThatIsNotJSON(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	wasm := strings.Replace(string(fixture(t, "read")), "/data/photo", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 1)
	wasm = strings.Replace(wasm, "\x41\x00\x41\x0b\x41\x00", "\x41\x00\x41\x00\x41\x00", 1) // an empty pointer
	m := limits()
	m.Limits.Time, m.Data.InlineMax = 20*time.Second, 10
	p, err := h.Compile(context.Background(), []byte(wasm), m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	if out := attempt(p, "\xffnot JSON, and long\x00"); string(out.Log) != "\xffnot JSON, and long\x00" {
		t.Errorf("%s (%s): it read %q", out.Result, out.Reason, out.Log)
	}
}

// The payloads of the running attempts bound the memory, because the host does not copy texts that were left out or read.
func TestTextsThatAreLeftOutAreNotCopied(t *testing.T) {
	h := newHost(t)
	const size = 10 << 20
	body := `{"data":{"photo":"` + strings.Repeat("a", 60_000) + `","id":1,"x":"` + strings.Repeat("b", size) + `"}}`
	e, payload := event(inbox.Passed, body)
	for _, name := range []string{"session_ok", "read"} {
		for _, data := range []inbox.Data{{}, {Fields: []string{"/data/photo"}}} {
			m := limits()
			m.Limits.Time, m.Limits.Log = time.Minute, 100_000
			m.Data = data
			m.Data.InlineMax = 1000
			p, err := h.Compile(context.Background(), fixture(t, name), m)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close(context.Background())
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			out := p.Attempt(context.Background(), &inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 5, Attempt: 1}, Now: e.ReceivedAt})
			runtime.ReadMemStats(&after)
			if out.Result != inbox.OK || name == "read" && len(out.Log) != 60_000 {
				t.Errorf("%s: %s (%s), a log of %d bytes", name, out.Result, out.Reason, len(out.Log))
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > size/10 {
				t.Errorf("%s, shown %q: an attempt took %d bytes beside a payload of %d", name, data.Fields, took, len(body))
			}
		}
	}
}
