package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

func TestCachedPayloadsEqualTheStoredOnes(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	before := func(i int) string { return fmt.Sprintf(`{"before":%d}`, i) }
	for i := range 100 { // without a subscriber, payloads are not cached: they are read from the file later
		inboxtest.Accept(t, s, before(i))
	}
	_, end := s.Subscribe()
	defer end()
	large := strings.Repeat("x", 20_000) // too large for the cache
	inboxtest.Accept(t, s, large)
	inboxtest.Accept(t, s, "cached at its accept")
	for round := range 2 { // the first round reads ahead from the file, the second reads from memory
		for seq := int64(1); seq <= 102; seq++ {
			want := map[int64]string{101: large, 102: "cached at its accept"}[seq]
			if want == "" {
				want = before(int(seq) - 1)
			}
			if p, err := s.Payload(ctx, seq); err != nil || !bytes.Equal(p.Body, []byte(want)) {
				t.Fatalf("round %d, event %d: %.40q, %v", round, seq, p.Body, err)
			}
		}
	}
}

func TestADamagedPayloadIsReportedAlsoAfterReadAhead(t *testing.T) {
	t.Parallel()
	s := inboxtest.Store(t, store.Options{})
	for i := range 10 {
		inboxtest.Accept(t, s, fmt.Sprintf(`{"n":%d}`, i))
	}
	const flip = `UPDATE contents SET checksum = checksum %s 1 WHERE id = (SELECT content_id FROM events WHERE seq = 5)`
	if err := store.Write(s, fmt.Sprintf(flip, "+")); err != nil {
		t.Fatal(err)
	}
	for seq := int64(1); seq <= 10; seq++ {
		if _, err := s.Payload(ctx, seq); errors.Is(err, inbox.ErrDamaged) != (seq == 5) {
			t.Errorf("event %d: %v", seq, err)
		}
	}
	if err := store.Write(s, fmt.Sprintf(flip, "-")); err != nil { // repaired for the check at the end of the test
		t.Fatal(err)
	}
}
