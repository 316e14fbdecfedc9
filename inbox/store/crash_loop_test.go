package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inbox/inbox"
	"inbox/inbox/store"
)

// crashRecords returns what a store knows of releases, without the times.
func crashRecords(t *testing.T, s *store.Store) []inbox.CrashRecord {
	t.Helper()
	list, err := s.CrashRecords(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func is(t *testing.T, what string, s *store.Store, want ...inbox.CrashRecord) {
	t.Helper()
	if diff := cmp.Diff(want, crashRecords(t, s), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

// What one process says of its releases, late or not, must not touch the records of another process.
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
	is(t, "the first process runs it", first, inbox.CrashRecord{Plugin: "p", Release: "r1", Term: 1, Running: true})
	second, shutSecond := openServer(t, dir) // the first was killed, as far as this one can tell
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
	is(t, "the second process runs two", second, counted, second2)
	for what, late := range map[string]func() error{
		"its clean end":        func() error { return first.EndCleanly(ctx) },
		"that one survived":    func() error { return first.ClearCrashes(ctx, "p", "r1") },
		"that another is live": func() error { return first.SetLive(ctx, "p", "r2") },
		"a count":              func() error { _, err := first.CountCrashes(ctx); return err },
	} {
		if err := late(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		is(t, "after the first process says late "+what, second, counted, second2)
	}
	if err := first.RecordStart(ctx, "p", "r1"); err != nil {
		t.Fatal(err)
	}
	if err := second.EndCleanly(ctx); err != nil {
		t.Fatal(err)
	}
	is(t, "a clean end of the second leaves what the first runs", second, inbox.CrashRecord{Plugin: "p", Release: "r1", Term: 1, Running: true})
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
		t.Errorf("a process that begins to run it: %+v", list)
	}
	if err := next.EnableRelease(ctx, operator, "p"); err != nil {
		t.Fatal(err)
	}
	is(t, "brought back", next)
}
