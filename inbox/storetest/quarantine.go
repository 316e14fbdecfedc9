package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

func theQuarantineIsBoundedAndKeepsRequestsThatAnotherSecretMayAdmit(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{Bounds: inbox.QuarantineBounds{Count: 10, Bytes: 1 << 20, Age: time.Hour}})
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
	refuse(1, "10.0.0.1", "mismatch") // a second time
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
	readmitOnce(t, s, list[0].ID)
}

// readmitOnce readmits a refused request and checks that it cannot be readmitted again.
func readmitOnce(t *testing.T, s Quarantine, id int64) {
	t.Helper()
	ctx := t.Context()
	a := inboxtest.Arrival("admitted now")
	a.Origin = inbox.FromRecheck
	if r, err := s.Readmit(ctx, id, a); err != nil || r.Status != inbox.Stored {
		t.Errorf("readmit: %+v, %v", r, err)
	}
	if _, err := s.Readmit(ctx, id, a); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("readmit twice: %v", err)
	}
}

// refusedRequest returns the compared fields of a refused request that was received count times.
func refusedRequest(signature string, count int64) inbox.Refused {
	return inbox.Refused{Why: "mismatch", Count: count, Payload: inbox.Payload{Headers: []inbox.Header{{Name: "x-sig", Value: signature}}, Body: []byte("body")}}
}

func equalRefusedRequestsAreStoredOnceWithACount(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{})
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
	refuse("another") // it may be valid
	var got []inbox.Refused
	if err := s.EachRefused(ctx, "q", func(r *inbox.Refused) error { got = append(got, *r); return nil }); err != nil {
		t.Fatal(err)
	}
	want := []inbox.Refused{refusedRequest("wrong", 3), refusedRequest("another", 1)}
	for i := range got {
		if got[i].LastAt.Before(got[i].ReceivedAt) {
			t.Errorf("%+v", got[i])
		}
		got[i] = inbox.Refused{Why: got[i].Why, Count: got[i].Count, Payload: got[i].Payload}
	}
	same(t, "refused requests", got, nil, want)
	if err := s.EachRefused(ctx, "other source", func(*inbox.Refused) error { t.Error("another source has a refused request"); return nil }); err != nil {
		t.Error(err)
	}
	stop := errors.New("enough")
	if err := s.EachRefused(ctx, "", func(*inbox.Refused) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

func theQuarantineIsBoundedInBytes(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{Bounds: inbox.QuarantineBounds{Count: 1000, Bytes: 10_000, Age: time.Hour}})
	refuse := func(why, body string) {
		t.Helper()
		if err := s.Refuse(ctx, &inbox.Refused{Source: "q", Why: why, ReceivedAt: time.Now(), Payload: inbox.Payload{Body: []byte(body)}}); err != nil {
			t.Fatal(err)
		}
	}
	refuse("mismatch", "may be genuine")
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
		t.Errorf("%d requests are kept that another secret may admit, %v", kept, err)
	}
}
