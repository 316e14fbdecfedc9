package store_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"inbox/inbox/inboxtest"
)

// cutPower simulates a number of power cuts at random places of a record. It returns the number of cuts, the number of cuts that
// lost an acknowledged event, and the number of acknowledged events.
func cutPower(t *testing.T, calls []call, places int) (cuts, losing, acked int) {
	t.Helper()
	const seed = 11
	chance := rand.New(rand.NewPCG(seed, 1))
	first := slices.IndexFunc(calls, func(c call) bool { return c.what == "ack" })
	if first < 0 {
		t.Fatal("no event was acknowledged")
	}
	at := map[int]bool{}
	for len(at) < min(places, len(calls)-first) {
		at[first+chance.IntN(len(calls)-first)] = true
	}
	d := newDisk()
	for i, c := range calls {
		d.step(c)
		if !at[i] {
			continue
		}
		how := []string{"nothing", "some", "some", "all"}[cuts%4]
		lost, err := lostAt(t, d, how, chance, cuts%25 == 0)
		if err != nil {
			t.Errorf("cut after call %d of %d, keeping %s of the unflushed writes: %v", i, len(calls), how, err)
		}
		if lost > 0 {
			losing++
		}
		cuts++
	}
	return cuts, losing, len(d.acks)
}

// notRaced skips a test under the race detector, which makes traced programs too slow.
func notRaced(t *testing.T) {
	t.Helper()
	if inboxtest.Race {
		t.Skip("the race detector makes the traced program too slow")
	}
}

// flushedBefore reports whether a file was flushed before the first acknowledgement.
func flushedBefore(calls []call, file string) bool {
	for _, c := range calls {
		switch {
		case c.what == "ack":
			return false
		case c.what == "flushed" && c.file == file:
			return true
		}
	}
	return false
}

func TestAPowerCutLosesNoAcknowledgedEvent(t *testing.T) {
	notRaced(t)
	places := long(60, 0, 900)
	calls := record(t, "power", long(300, 0, 3000))
	cuts, losing, acked := cutPower(t, calls, places)
	if losing > 0 || cuts < places*8/9 || acked < 100 {
		t.Errorf("%d cuts, of which %d lost events; %d acknowledged", cuts, losing, acked)
	}
	count := map[string]int{}
	for _, c := range calls {
		count[c.what+" "+c.file]++
	}
	if long(0, 0, 1) > 0 && count["write inbox.db"] == 0 || long(0, 0, 1) > 0 && count["flushed inbox.db"] == 0 {
		t.Error("the record has no checkpoint")
	}
	for _, file := range []string{"inbox.db-wal", "store.key", "."} {
		if !flushedBefore(calls, file) {
			t.Errorf("%s was not flushed before the first acknowledgement", file)
		}
	}
	t.Logf("FULL: %d cuts lost none of %d acknowledged events; %v", cuts, acked, count)
}

func TestAPowerCutLosesEventsWhenCommitsAreNotFlushed(t *testing.T) {
	inboxtest.Long(t)
	notRaced(t)
	t.Setenv(childEnv+"_NORMAL", "1")
	calls := record(t, "power", 2000)
	cuts, losing, acked := cutPower(t, calls, 300)
	if losing == 0 {
		t.Errorf("%d cuts lost none of %d acknowledged events with synchronous=NORMAL: the simulation does not detect losses", cuts, acked)
	}
	t.Logf("NORMAL: %d of %d cuts lost some of %d acknowledged events", losing, cuts, acked)
}

// A program that is killed between a write and its flush leaves frames that only the kernel has. The next start must flush them
// before it uses them.
func TestAPowerCutLosesNoEventThatAStartAfterAKillHasRead(t *testing.T) {
	dir := crashed(t, 40)
	d := newDisk()
	for _, name := range []string{"inbox.db", "store.key", "inbox.db-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "inbox.db-wal" {
			d.step(call{what: "write", file: name, data: b})
			continue
		}
		d.kept[name] = b
	}
	t.Setenv(childEnv+"_LOOK", "1")
	calls := recordIn(t, dir, "look", 0)
	for i, c := range calls {
		if d.step(c); c.what == "flushed" && c.file == "inbox.db-wal" {
			break
		}
		if c.what == "write" || c.what == "ack" {
			t.Fatalf("call %d of %d is a %s of %s: the log was not flushed before it", i, len(calls), c.what, c.file)
		}
	}
	for _, c := range calls {
		if c.what == "ack" {
			d.step(c)
		}
	}
	lost, err := lostAt(t, d, "nothing", rand.New(rand.NewPCG(1, 1)), true)
	if err != nil || lost > 0 || len(d.acks) != 40 {
		t.Errorf("%d of %d events that the start has read are lost, %v", lost, len(d.acks), err)
	}
}
