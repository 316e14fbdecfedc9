package host_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/host"
	"inbox/inbox/inboxtest"
)

// photos returns a body of five megabytes: five photos, with some of their slashes escaped, as PHP does.
func photos() (body, first string) {
	first = strings.Repeat(strings.Repeat("A", 63)+`/`, 16<<10)
	escaped := strings.ReplaceAll(first, "/", `\/`)
	return `{"event":"address","data":{"id":1,"name":"Ada","photo":"` + escaped + `","more":["` +
		strings.Repeat(first+`","`, 3) + first + `"],"hidden":"secret"}}`, first
}

// photoReader compiles the Go plugin that may read a photo.
func photoReader(t testing.TB, config map[string]string, data inbox.Data) *host.Program {
	t.Helper()
	h, err := host.New(context.Background(), host.Options{CacheDir: inboxtest.CompileCache()})
	if err != nil {
		t.Fatal(err)
	}
	m := inbox.Manifest{Reuse: 1_000_000, Concurrency: 1, Limits: inbox.Limits{Time: time.Minute, Memory: 256 << 20}, Config: config, Data: data}.WithDefaults(1)
	p, err := h.Compile(context.Background(), buildGo(t, "inbox/inbox/host/testdata/photo"), &m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close(context.Background())
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestAGoPluginReadsAPhotoThatWasLeftOut(t *testing.T) {
	t.Parallel()
	body, photo := photos()
	p := photoReader(t, map[string]string{"read": "yes"}, inbox.Data{Fields: []string{"/data/id", "/data/name", "/data/photo"}})
	want := fmt.Sprintf(`43 bytes of body, 1 texts left out
/data/photo: %d bytes %.8x
read "/data/id" of event evt_0000000500000000: there is no text, or it is not shown
/data/name: 3 bytes %.8x
read "/data/hidden" of event evt_0000000500000000: there is no text, or it is not shown
`, len(photo), sha256.Sum256([]byte(photo)), sha256.Sum256([]byte("Ada")))
	for range 3 {
		if out := attempt(p, body); out.Result != inbox.OK || string(out.Log) != want {
			t.Fatalf("%s (%s): %s; want %s", out.Result, out.Reason, out.Log, want)
		}
	}
}

// The cost of delivering five megabytes of photos to a Go plugin with reuse: the body without its long texts, two fields of it,
// one photo read, and the whole body in the document, as if there were no inline_max.
func BenchmarkPhotos(b *testing.B) {
	body, _ := photos()
	for _, c := range []struct {
		name   string
		data   inbox.Data
		config map[string]string
		body   string
	}{
		{"1KB", inbox.Data{}, nil, `{"event":"address","data":{"id":1,"name":"` + strings.Repeat("A", 1<<10) + `"}}`},
		{"5MB/not asked for", inbox.Data{}, nil, body},
		{"5MB/two fields", inbox.Data{Fields: []string{"/data/id", "/data/name"}}, nil, body},
		{"5MB/all in the document", inbox.Data{InlineMax: 64 << 20}, nil, body},
		{"5MB/one photo read", inbox.Data{}, map[string]string{"read": "yes"}, body},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := photoReader(b, c.config, c.data)
			e, payload := event(inbox.Passed, c.body)
			b.ReportAllocs()
			for b.Loop() {
				if out := p.Attempt(context.Background(), &inbox.Work{Event: e, Payload: payload, Delivery: inbox.Delivery{Plugin: "p", Seq: 5, Attempt: 1}, Now: e.ReceivedAt}); out.Result != inbox.OK {
					b.Fatalf("%s (%s)", out.Result, out.Reason)
				}
			}
		})
	}
}
