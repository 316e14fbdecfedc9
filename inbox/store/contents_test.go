package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

func TestAnUnpackedPayloadEqualsThePackedOneAndDamageIsDetected(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := inbox.Payload{Body: rapid.SliceOf(rapid.Byte()).Draw(t, "body"), Headers: []inbox.Header{}}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			p.Headers = append(p.Headers, inbox.Header{Name: rapid.String().Draw(t, "name"), Value: rapid.String().Draw(t, "value")})
		}
		packed, sum := store.Pack(t, p)
		got, err := store.Unpack(packed, sum)
		if err != nil || !bytes.Equal(got.Body, p.Body) {
			t.Fatalf("%q, %v", got.Body, err)
		}
		if diff := cmp.Diff(p.Headers, got.Headers); diff != "" {
			t.Fatal(diff)
		}
		at := rapid.IntRange(0, len(packed)-1).Draw(t, "damaged byte")
		packed[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "damaged bit")
		if _, err := store.Unpack(packed, sum); !errors.Is(err, inbox.ErrDamaged) {
			t.Fatalf("with a flipped bit: %v", err)
		}
	})
}

// FuzzUnpack unpacks bytes that have a correct checksum, as a program with a bug could write them.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte("\x02[]body"))
	f.Add([]byte{})
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("\x05[{}]"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		p, err := store.Unpack(packed, store.Checksum(packed))
		if err != nil {
			if !errors.Is(err, inbox.ErrDamaged) {
				t.Errorf("%v", err)
			}
			return
		}
		again, sum := store.Pack(t, p)
		q, err := store.Unpack(again, sum)
		if err != nil || !bytes.Equal(p.Body, q.Body) || len(p.Headers) != len(q.Headers) {
			t.Errorf("%+v became %+v, %v", p, q, err)
		}
	})
}

// Rows of the quarantine are deleted and added. A deleted row, or a row in a backup, must not be mistaken for a newer row.
func TestContentIDsAreNeverReused(t *testing.T) {
	t.Parallel()
	dir := inboxtest.Dir(t)
	newest := int64(0)
	for start := range 3 {
		s, err := store.Open(ctx, store.Options{Dir: dir, Create: true, Server: true, MinFree: 1})
		if err != nil {
			t.Fatal(err)
		}
		stop := inboxtest.Run(t, s)
		for i := range 5 {
			r := &inbox.Refused{
				Source: "qoreid", Address: fmt.Sprint("192.0.2.", i), Why: "mismatch", ReceivedAt: time.Now(),
				Payload: inbox.Payload{Body: fmt.Append(nil, "refused ", start, i)},
			}
			if err := s.Refuse(ctx, r); err != nil {
				t.Fatal(err)
			}
			id := store.Number(t, s, `SELECT max(id) FROM contents`)
			if id <= newest {
				t.Errorf("start %d: id %d after %d", start, id, newest)
			}
			newest = id
			if n, err := s.DiscardRefused(ctx, "", nil); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		// These take more ids than one reservation has.
		for i := range 40 {
			inboxtest.Accept(t, s, inboxtest.Body(start, i))
		}
		inboxtest.Check(t, s)
		newest = store.Number(t, s, `SELECT max(id) FROM contents`)
		stop()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestContentsHaveTheSubjectOfTheirEvent(t *testing.T) {
	t.Parallel()
	s := ready(t, 1)
	a := storetest.Attempt(1, 1, inbox.Trap, inbox.Again)
	a.Reason, a.Log = "wrong", []byte("a line")
	mustSettle(t, s, &inbox.Settlement{Attempt: a, Lane: inbox.LaneChange{Put: &inbox.Lane{ID: storetest.OneLane(), Next: 1, State: inbox.LaneRetry, DueAt: storetest.At(2), Attempt: 1, Counted: 1, Since: storetest.At(1)}}})
	if err := s.Refuse(ctx, &inbox.Refused{Source: "qoreid", Why: "missing", ReceivedAt: time.Now(), Payload: inbox.Payload{Body: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	if n := store.Number(t, s, `SELECT count(*) FROM contents WHERE subject = 'live/qoreid/workflow/1' AND kind IN (1, 3, 4)`); n != 3 {
		t.Errorf("%d of 3 contents of the event have its subject", n)
	}
	if n := store.Number(t, s, `SELECT count(*) FROM contents WHERE subject IS NULL AND kind = 2`); n != 1 {
		t.Errorf("%d refused requests have no subject, not 1", n)
	}
}

func TestALaneStoresTheDigestOfAValueInsteadOfTheValue(t *testing.T) {
	t.Parallel()
	s, other := inboxtest.Store(t, store.Options{}), inboxtest.Store(t, store.Options{})
	value := strings.Repeat("passport A1234567 ", 12_000)
	id := inbox.LaneRule{Order: inbox.ByKey, By: "/data/user"}.Lane(&inbox.Event{Mode: inbox.Live}, inbox.Digested(
		func(string) (string, bool) { return value, true }, s.LaneDigest))
	if len(id.Key) != len("@ptr/")+32 || strings.Contains(id.Key, "passport") {
		t.Errorf("the lane's key is %q", id.Key)
	}
	if same := s.LaneDigest(value); "@ptr/"+same != id.Key || same == s.LaneDigest(value+"x") {
		t.Error("equal values have different digests, or different values have equal digests")
	}
	if s.LaneDigest(value) == other.LaneDigest(value) {
		t.Error("the digest does not depend on the store's key")
	}
}
