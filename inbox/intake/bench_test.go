package intake_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"inbox/inbox"
	"inbox/inbox/intake"
	"inbox/inbox/qoreid"
)

// nowhere accepts everything and stores nothing.
type nowhere struct{}

func (nowhere) Accept(context.Context, *inbox.Arrival) (inbox.Receipt, error) {
	return inbox.Receipt{ID: "evt_0", Seq: 1, Status: inbox.Stored}, nil
}
func (nowhere) Refuse(context.Context, *inbox.Refused) error { return nil }
func (nowhere) Ready(context.Context) error                  { return nil }

// discard is a response that is thrown away.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func BenchmarkReceive(b *testing.B) {
	body, err := qoreid.Sample(qoreid.Kind{Event: "workflow"}, 1, "r")
	if err != nil {
		b.Fatal(err)
	}
	photo, err := qoreid.Set(body, "/data/photo", string(bytes.Repeat([]byte("A"), 5<<20)))
	if err != nil {
		b.Fatal(err)
	}
	h := intake.New(intake.Options{Sources: []intake.Source{source()}, Keep: nowhere{}})
	for name, body := range map[string][]byte{"1KB": body, "5MB": photo} {
		b.Run(name, func(b *testing.B) {
			sig := qoreid.Sign("", []byte(key), body)
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
				r.Header.Set(qoreid.DefaultHeader, sig)
				r.Header.Set("Content-Type", "application/json")
				h.ServeHTTP(discard{http.Header{}}, r)
			}
		})
	}
}
