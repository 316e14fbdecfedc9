package storetest

import (
	"errors"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// twoTerms opens two stores on the same data, which has an event and the plugin p. The second store begins a later term while the
// first is open, as when a server is replaced that was believed dead.
func twoTerms(t *testing.T, open Open) (earlier, later Store) {
	t.Helper()
	dir := inboxtest.Dir(t)
	earlier = open(t, Options{Dir: dir, Fast: true})
	Ready(t, earlier, 1)
	later = open(t, Options{Dir: dir, Fast: true})
	if earlier.Term() >= later.Term() {
		t.Fatalf("the terms are %d and then %d", earlier.Term(), later.Term())
	}
	return earlier, later
}

// crashRecordsOf returns the crash records of a store's own term. It reads them through another store on the same data.
func crashRecordsOf(t *testing.T, own, reader Store) (list []inbox.CrashRecord) {
	t.Helper()
	all, err := reader.CrashRecords(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Term == own.Term() {
			list = append(list, r)
		}
	}
	return list
}

// running returns the records of releases of p that a store's process has started.
func running(s Store, releases ...string) (list []inbox.CrashRecord) {
	for _, id := range releases {
		list = append(list, inbox.CrashRecord{Plugin: "p", Release: id, Term: s.Term(), Running: true})
	}
	return list
}

// startBoth records that a store's process starts the releases r1 and r2 of p.
func startBoth(t *testing.T, s Store) {
	t.Helper()
	if err := errors.Join(s.RecordStart(t.Context(), "p", "r1"), s.RecordStart(t.Context(), "p", "r2")); err != nil {
		t.Fatal(err)
	}
}

func aCallOfOneTermDoesNotChangeTheCrashRecordsOfAnother(t *testing.T, open Open) {
	ctx := t.Context()
	earlier, later := twoTerms(t, open)
	for _, c := range []struct {
		name string
		call func(s Store) error
		left []string // the releases whose records the caller still has
	}{
		{"RecordStart", func(s Store) error { return s.RecordStart(ctx, "p", "r1") }, []string{"r1", "r2"}},
		{"ClearCrashes", func(s Store) error { return s.ClearCrashes(ctx, "p", "r1") }, []string{"r2"}},
		{"SetLive", func(s Store) error { return s.SetLive(ctx, "p", "r1") }, nil},
		{"EndCleanly", func(s Store) error { return s.EndCleanly(ctx) }, nil},
		{"EnableRelease", func(s Store) error { return s.EnableRelease(ctx, operator, "p") }, []string{"r1", "r2"}},
		{"Settle", func(s Store) error {
			err := Settle(s, &inbox.Settlement{Plugin: "p", Running: "r1"})
			if s.Term() < later.Term() && errors.Is(err, inbox.ErrFenced) {
				return nil
			}
			return err
		}, []string{"r1", "r2"}},
	} {
		for _, p := range []struct {
			name          string
			caller, other Store
		}{{"the earlier term", earlier, later}, {"the later term", later, earlier}} {
			startBoth(t, p.caller)
			startBoth(t, p.other)
			if err := c.call(p.caller); err != nil {
				t.Errorf("%s of %s: %v", c.name, p.name, err)
			}
			same(t, "the other term's records after "+c.name+" of "+p.name, crashRecordsOf(t, p.other, later), nil, running(p.other, "r1", "r2"))
			same(t, "the own records after "+c.name+" of "+p.name, crashRecordsOf(t, p.caller, later), nil, running(p.caller, c.left...))
		}
	}
}

func countCrashesTakesOverRecordsOfEarlierTermsAndNotOfLaterOnes(t *testing.T, open Open) {
	ctx := t.Context()
	earlier, later := twoTerms(t, open)
	if err := earlier.RecordStart(ctx, "p", "r1"); err != nil {
		t.Fatal(err)
	}
	counted := []inbox.CrashRecord{{Plugin: "p", Release: "r1", Term: later.Term(), Ends: 1}}
	list, err := later.CountCrashes(ctx)
	same(t, "the count of the later term", list, err, counted)
	list, err = later.CrashRecords(ctx)
	same(t, "the records after the count of the later term", list, err, counted)
	if err := later.RecordStart(ctx, "p", "r2"); err != nil {
		t.Fatal(err)
	}
	want := append(counted, running(later, "r2")...)
	list, err = earlier.CountCrashes(ctx)
	same(t, "the count of the earlier term", list, err, nil)
	list, err = later.CrashRecords(ctx)
	same(t, "the records after the count of the earlier term", list, err, want)
	startBoth(t, earlier)
	if _, err = earlier.CountCrashes(ctx); err != nil {
		t.Fatal(err)
	}
	same(t, "the later term's records after a count of the earlier term's own", crashRecordsOf(t, later, later), nil, want)
}
