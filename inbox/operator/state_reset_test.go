package operator_test

import (
	"context"
	"slices"
	"testing"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/operator"
)

func TestAStateDocumentIsResetOnlyWhenNoAttemptOfItsPluginRuns(t *testing.T) {
	t.Parallel()
	r := kept(t)
	const key = "qoreid/workflow/7"
	reset := func() error {
		_, err := r.client.ResetState(t.Context(), "kyc", key, inbox.Live, "damaged")
		return err
	}
	wantKind(t, reset(), inbox.Conflict, "plugin kyc is not paused")
	if err := r.store.SetPaused(context.Background(), inbox.Actor{Name: "test"}, "kyc", true); err != nil {
		t.Fatal(err)
	}
	r.control.files = []operator.File{{Plugin: "kyc", State: inbox.FileLive, Running: 1}, {Plugin: "crm", State: inbox.FileLive, Running: 1}}
	wantKind(t, reset(), inbox.Conflict, "attempts of plugin kyc still run")
	r.control.files[0].Running = 0
	if err := reset(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.control.halted, []string{"kyc", "kyc"}) {
		t.Errorf("halted: %q", r.control.halted)
	}
	_, err := r.client.State(t.Context(), "kyc", key, api.StateQuery{})
	wantKind(t, err, inbox.NotFound, "deleted its live state")
	old, err := r.client.State(t.Context(), "kyc", key, api.StateQuery{Change: 2})
	if err != nil || old.Change != 2 {
		t.Errorf("an earlier change: %+v %v", old, err)
	}
	wantKind(t, reset(), inbox.NotFound, "keeps no live state")
	if got := r.audited(); !slices.ContainsFunc(got, func(s string) bool {
		return s == "reset state of plugin kyc for live "+key+" by "+operator.Self()+": damaged"
	}) {
		t.Errorf("the audit log: %q", got)
	}
}
