package store_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"inbox/inbox"
	"inbox/inbox/store"
)

func TestAPayloadIsPackedAndUnpackedWhole(t *testing.T) {
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
		if _, err := store.Unpack(packed, sum); !errors.Is(err, store.ErrDamaged) {
			t.Fatalf("with a flipped bit: %v", err)
		}
	})
}

// FuzzUnpack gives unpacking bytes whose checksum is right, as after a write by a program with a bug.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte("\x02[]body"))
	f.Add([]byte{})
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("\x05[{}]"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		p, err := store.Unpack(packed, store.Checksum(packed))
		if err != nil {
			if !errors.Is(err, store.ErrDamaged) {
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
