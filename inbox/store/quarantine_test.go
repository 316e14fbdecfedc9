package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

func TestTheQuarantineIsBoundedAndKeepsWhatAMistypedSecretRefused(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{Bounds: store.QuarantineBounds{Count: 10, Bytes: 1 << 20, Age: time.Hour}})
	refuse := func(n int, address, why string) {
		r := &inbox.Refused{Source: "q", Address: address, Why: why, ReceivedAt: time.Now(), Payload: inbox.Payload{Body: []byte(fmt.Sprint(address, why, n))}}
		if err := s.Refuse(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		refuse(i, "10.0.0.1", "mismatch")
	}
	for i := range 50 {
		refuse(i, "10.0.0.2", "malformed")
	}
	refuse(1, "10.0.0.1", "mismatch") // once more
	var kept []string
	if err := s.EachRefused(ctx, "", func(r *inbox.Refused) error {
		kept = append(kept, r.Why)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(strings.Join(kept, " "), "mismatch"); n != 5 || len(kept) > 10 {
		t.Errorf("kept %v", kept)
	}
	st, err := s.Stats(ctx)
	if err != nil || st.Quarantine.Dropped == 0 || st.Quarantine.Count != int64(len(kept)) {
		t.Errorf("stats %+v, %v", st.Quarantine, err)
	}
	list, err := s.RefusedList(ctx, "q", 100)
	if err != nil || len(list) != len(kept) {
		t.Fatalf("%d listed, %v", len(list), err)
	}
	a := inboxtest.Arrival("admitted now")
	a.Origin = inbox.FromRecheck
	if r, err := s.Readmit(ctx, list[0].ID, a); err != nil || r.Status != inbox.Stored {
		t.Errorf("readmit: %+v, %v", r, err)
	}
	if _, err := s.Readmit(ctx, list[0].ID, a); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("readmit twice: %v", err)
	}
}

func TestARefusedRequestIsKeptOnceCountedAndGivenBackWhole(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	refuse := func(signature string) {
		t.Helper()
		err := s.Refuse(ctx, &inbox.Refused{
			Source: "q", Address: "10.0.0.1", Why: "mismatch", ReceivedAt: time.Now(), SignatureHeader: "x-sig",
			Payload: inbox.Payload{Headers: []inbox.Header{{Name: "x-sig", Value: signature}}, Body: []byte("body")},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		refuse("wrong")
	}
	refuse("another") // which may be the right one
	var got []inbox.Refused
	if err := s.EachRefused(ctx, "q", func(r *inbox.Refused) error { got = append(got, *r); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Count != 3 || got[1].Count != 1 || got[0].LastAt.Before(got[0].ReceivedAt) {
		t.Fatalf("%+v", got)
	}
	for i, signature := range []string{"wrong", "another"} {
		if string(got[i].Payload.Body) != "body" || got[i].Payload.Headers[0].Value != signature {
			t.Errorf("%d: %+v", i, got[i].Payload)
		}
	}
	if err := s.EachRefused(ctx, "other source", func(*inbox.Refused) error { t.Error("visited"); return nil }); err != nil {
		t.Error(err)
	}
	stop := errors.New("enough")
	if err := s.EachRefused(ctx, "", func(*inbox.Refused) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

func TestTheQuarantineForgetsWhatIsOldAlsoWhenNothingComes(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	bounds := store.QuarantineBounds{Count: 100, Bytes: 1 << 20, Age: time.Hour}
	s, done := serve(t, store.Options{Dir: dir, Bounds: bounds})
	for i := range 3 {
		if err := s.Refuse(ctx, stranger(i)); err != nil {
			t.Fatal(err)
		}
	}
	done()
	later := func() time.Time { return time.Now().Add(2 * time.Hour) }
	s, done = serve(t, store.Options{Dir: dir, Bounds: bounds, Now: later})
	defer done()
	inboxtest.Eventually(t, "they are gone, and counted", func() bool {
		st, err := s.Stats(ctx)
		return err == nil && st.Quarantine.Count == 0 && st.Quarantine.Dropped == 3
	})
}

func TestTheQuarantineIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{Bounds: store.QuarantineBounds{Count: 1000, Bytes: 10_000, Age: time.Hour}})
	refuse := func(why, body string) {
		t.Helper()
		if err := s.Refuse(ctx, &inbox.Refused{Source: "q", Why: why, ReceivedAt: time.Now(), Payload: inbox.Payload{Body: []byte(body)}}); err != nil {
			t.Fatal(err)
		}
	}
	refuse("mismatch", "precious")
	for i := range 50 {
		refuse("missing", fmt.Sprint(i, strings.Repeat("x", 1000)))
	}
	st, err := s.Stats(ctx)
	if err != nil || st.Quarantine.Bytes > 10_000 || st.Quarantine.Count < 5 || st.Quarantine.Dropped < 40 {
		t.Errorf("%+v, %v", st.Quarantine, err)
	}
	kept := 0
	if err := s.EachRefused(ctx, "", func(r *inbox.Refused) error {
		if r.Why == "mismatch" {
			kept++
		}
		return nil
	}); err != nil || kept != 1 {
		t.Errorf("%d of what a secret may still admit, %v", kept, err)
	}
}
