package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inbox/inbox"
	"inbox/inbox/store"
)

// crashRecords returns the crash records of a store.
func crashRecords(t *testing.T, s *store.Store) []inbox.CrashRecord {
	t.Helper()
	list, err := s.CrashRecords(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// wantRecords fails the test unless a store has exactly these crash records.
func wantRecords(t *testing.T, step string, s *store.Store, want ...inbox.CrashRecord) {
	t.Helper()
	if diff := cmp.Diff(want, crashRecords(t, s), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: %s", step, diff)
	}
}

// A call of one process must not change the records of another process, also when the call is late.
func TestACrashRecordBelongsToTheProcessThatWroteIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, shutFirst := openServer(t, dir)
	defer shutFirst()
	for _, err := range []error{first.Register(ctx, "p", inbox.StartFrom{Start: true}), first.RecordStart(ctx, "p", "r1")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	wantRecords(t, "the first process runs r1", first, inbox.CrashRecord{Plugin: "p", Release: "r1", Term: 1, Running: true})
	second, shutSecond := openServer(t, dir) // for the second process, the first was killed
	defer shutSecond()
	list, err := second.CountCrashes(ctx)
	counted := inbox.CrashRecord{Plugin: "p", Release: "r1", Term: 2, Ends: 1}
	if diff := cmp.Diff([]inbox.CrashRecord{counted}, list); diff != "" || err != nil {
		t.Errorf("the end of the first counts: %s, %v", diff, err)
	}
	for _, err := range []error{second.RecordStart(ctx, "p", "r1"), second.RecordStart(ctx, "p", "r2")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	counted.Running = true
	second2 := inbox.CrashRecord{Plugin: "p", Release: "r2", Term: 2, Running: true}
	wantRecords(t, "the second process runs r1 and r2", second, counted, second2)
	for name, call := range map[string]func() error{
		"EndCleanly":   func() error { return first.EndCleanly(ctx) },
		"ClearCrashes": func() error { return first.ClearCrashes(ctx, "p", "r1") },
		"SetLive":      func() error { return first.SetLive(ctx, "p", "r2") },
		"CountCrashes": func() error { _, err := first.CountCrashes(ctx); return err },
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantRecords(t, "after a late "+name+" of the first process", second, counted, second2)
	}
	if err := first.RecordStart(ctx, "p", "r1"); err != nil {
		t.Fatal(err)
	}
	if err := second.EndCleanly(ctx); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, "after EndCleanly of the second process", second, inbox.CrashRecord{Plugin: "p", Release: "r1", Term: 1, Running: true})
}

// A disabled release is disabled for every process.
func TestADisabledReleaseIsDisabledForLaterProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for n := range inbox.CrashLoopAfter + 1 {
		s, shut := openServer(t, dir)
		list, err := s.CountCrashes(ctx)
		if err != nil || n > 0 && (len(list) != 1 || list[0].Ends != n) {
			t.Errorf("after %d ends: %+v, %v", n, list, err)
		}
		if err := s.RecordStart(ctx, "p", "r1"); err != nil {
			t.Error(err)
		}
		shut() // unclean: EndCleanly was not called
	}
	s, shut := openServer(t, dir)
	defer shut()
	list, err := s.CountCrashes(ctx)
	if err != nil || len(list) != 1 || list[0].DisabledAt.IsZero() {
		t.Fatalf("%+v, %v", list, err)
	}
	next, shutNext := openServer(t, dir)
	defer shutNext()
	if err := next.RecordStart(ctx, "p", "r1"); err != nil {
		t.Fatal(err)
	}
	if list := crashRecords(t, next); len(list) != 1 || list[0].DisabledAt.IsZero() || list[0].Running {
		t.Errorf("after RecordStart of a later process: %+v", list)
	}
	if err := next.EnableRelease(ctx, operator, "p"); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, "after EnableRelease", next)
}
