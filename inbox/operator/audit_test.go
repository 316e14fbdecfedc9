package operator_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/operator"
)

// TestTheAuditLogIsFilteredByEveryParameter compares the log, through the API, with a model: the list of the recorded actions.
func TestTheAuditLogIsFilteredByEveryParameter(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	actors, actions := []string{"token", "uid:0", "uid:1000"}, []string{"reveal", "backup", "resume"}
	for i := range 30 {
		who := inbox.Actor{Name: actors[i%len(actors)], Reason: []string{"", "ticket 7"}[i%2]}
		if err := r.store.Audit(t.Context(), who, actions[i/7%len(actions)], "everything"); err != nil {
			t.Fatal(err)
		}
	}
	all, err := r.client.Audit(t.Context(), inbox.AuditFilter{})
	if err != nil || len(all) != 30 || !slices.IsSortedFunc(all, func(a, b api.AuditEntry) int { return b.At.Compare(a.At) }) {
		t.Fatalf("%d actions, %v: %+v", len(all), err, all)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := inbox.AuditFilter{
			Action: rapid.SampledFrom(append(actions, "", "discard")).Draw(t, "action"), Actor: rapid.SampledFrom(append(actors, "")).Draw(t, "actor"),
			Limit: rapid.IntRange(0, 12).Draw(t, "limit"),
		}
		moment := rapid.Custom(func(t *rapid.T) time.Time {
			return rapid.SampledFrom(all).Draw(t, "action").At.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "ms")) * time.Millisecond)
		})
		if rapid.Bool().Draw(t, "bounded") {
			f.Since, f.Until = moment.Draw(t, "since"), moment.Draw(t, "until")
		}
		var want []api.AuditEntry
		for _, e := range all {
			if (f.Action == "" || e.Action == f.Action) && (f.Actor == "" || e.Actor == f.Actor) && !e.At.Before(f.Since) &&
				(f.Until.IsZero() || e.At.Before(f.Until)) && (f.Limit == 0 || len(want) < f.Limit) {
				want = append(want, e)
			}
		}
		got, err := r.client.Audit(r.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got[:len(got):len(got)]); diff != "" && len(want)+len(got) > 0 {
			t.Fatalf("%+v: %s", f, diff)
		}
	})
}

func TestAFileThatNeverRanIsForgottenWhenItIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("ran")
	r.control.files = []operator.File{{Plugin: "ran", State: inbox.FileAbsent}, {Plugin: "broken", State: inbox.FileRefused, Err: "the file is empty"}}
	names := func() (list []string) {
		plugins, err := r.client.Plugins(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range plugins {
			list = append(list, p.Name+" "+string(p.State))
		}
		return list
	}
	if diff := cmp.Diff([]string{"broken refused", "ran absent"}, names()); diff != "" {
		t.Error(diff)
	}
	r.control.files[1] = operator.File{Plugin: "broken", State: inbox.FileAbsent}
	if diff := cmp.Diff([]string{"ran absent"}, names()); diff != "" {
		t.Error(diff)
	}
}

// TestEveryRecordedActionIsAFilterOfTheLog looks for the actions in the source. The filter of the audit log
// rejects an action that [api.AuditActions] lacks.
func TestEveryRecordedActionIsAFilterOfTheLog(t *testing.T) {
	t.Parallel()
	word := regexp.MustCompile(`(?:[aA]udit\([^"\n]*|setPlugin\([^"\n]*|action :?= )"([a-z_]+)"`)
	known, found := api.AuditActions(), 0
	for _, dir := range []string{".", "../store"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range word.FindAllStringSubmatch(strings.ReplaceAll(string(text), `Get("reason")`, ""), -1) {
				if found++; !slices.Contains(known, m[1]) {
					t.Errorf("%s records %q, which AuditActions does not have", file, m[1])
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d words were found", found)
	}
}

func TestTheAuditLogRejectsActionsAndActorsThatDoNotExist(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := r.store.Audit(t.Context(), inbox.Actor{Name: "somebody"}, "older_word", "x"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		f    inbox.AuditFilter
		kind inbox.Kind
		hint string
	}{
		{inbox.AuditFilter{Action: "reveel"}, inbox.Invalid, "did you mean reveal?"}, {inbox.AuditFilter{Action: "xyzzy"}, inbox.Invalid, "there are: reveal, "},
		{inbox.AuditFilter{Actor: "root"}, inbox.Invalid, "as in uid:1000"}, {inbox.AuditFilter{Actor: "uid:x"}, inbox.Invalid, "as in uid:1000"},
		{inbox.AuditFilter{Action: "pause", Actor: "uid:7"}, "", ""}, {inbox.AuditFilter{Action: "older_word", Actor: "somebody"}, "", ""},
		{inbox.AuditFilter{Actor: "token"}, "", ""}, {inbox.AuditFilter{Actor: "inbox"}, "", ""},
	} {
		_, err := r.client.Audit(t.Context(), c.f)
		if (err == nil) != (c.kind == "") || err != nil && (inbox.KindOf(err) != c.kind || !strings.Contains(inbox.HintOf(err), c.hint)) {
			t.Errorf("%+v: %v (%s)", c.f, err, inbox.HintOf(err))
		}
	}
}
