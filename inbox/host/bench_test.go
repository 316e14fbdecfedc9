package host_test

import (
	"context"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/document"
	"inbox/inbox/host"
	"inbox/plugins/demo"
)

// The cost of a call: of an empty session, fresh for each event and reused; of a small command; of Go.
func BenchmarkCall(b *testing.B) {
	h, err := host.New(context.Background(), host.Options{CacheDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close(context.Background())
	for _, one := range []struct {
		name  string
		wasm  func() []byte
		reuse int
	}{
		{"nothing/fresh", func() []byte { return fixture(b, "session_ok") }, 1},
		{"nothing/reuse", func() []byte { return fixture(b, "session_ok") }, 1_000_000},
		{"nothing/command", func() []byte { return fixture(b, "ok") }, 1},
		{"c/command", demo.Wasm, 1},
		{"go/fresh", func() []byte { return buildGo(b, "inbox/examples/hello-go") }, 1},
		{"go/reuse", func() []byte { return buildGo(b, "inbox/examples/hello-go") }, 1_000_000},
	} {
		b.Run(one.name, func(b *testing.B) {
			m := inbox.Manifest{Reuse: one.reuse, Limits: inbox.Limits{Time: time.Minute}}.WithDefaults(1)
			p, err := h.Compile(context.Background(), one.wasm(), &m)
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close(context.Background())
			e, payload := event(inbox.Passed, `{"event":"address","data":{"id":1,"status":{"status":"verified"}}}`)
			doc, err := document.New(&inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 5, Attempt: 1}, Now: e.ReceivedAt}, &m)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if out := p.Run(context.Background(), host.Call{Doc: doc, Seed: "p/evt_5", ReceivedAt: e.ReceivedAt}); out.Result != inbox.OK {
					b.Fatal(out)
				}
			}
		})
	}
}
