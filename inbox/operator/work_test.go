package operator_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
	"inbox/inbox/operator"
	"inbox/inbox/qoreid"
)

func refs(letters []api.DeadLetter) []api.DeadLetterRef {
	var list []api.DeadLetterRef
	for _, l := range letters {
		list = append(list, api.DeadLetterRef{Plugin: l.Plugin, Seq: l.Seq, Run: l.Run})
	}
	return list
}

func TestDeadLettersAreListedWithMaskedReasons(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	r.accept(1, 3)
	r.die("p", 1, inbox.Reject)
	letters, err := r.client.DeadLetters(t.Context(), inbox.Filter{Plugin: "p"}, nil, false, api.Reveal{})
	if err != nil || len(letters) != 1 {
		t.Fatal(letters, err)
	}
	if l := letters[0]; l.Reason != "[string:27]" || !l.Parks || l.Waiting != 2 || l.Outcome != inbox.Reject || l.Event != "workflow" || l.DiedAt.IsZero() {
		t.Errorf("letter: %+v", l)
	}
	letters, err = r.client.DeadLetters(t.Context(), inbox.Filter{}, nil, false, api.Reveal{On: true, Reason: "r"})
	if err != nil || letters[0].Reason != "Ada Lovelace is not welcome" || !slices.Contains(r.audited(), "reveal reasons of dead letters by "+operator.Self()+": r") {
		t.Errorf("%+v, %v", letters, err)
	}
}

func TestDeadLettersAreRetriedInTheOrderOfTheLogAndTheDispatcherIsTold(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	for id := range 3 {
		r.accept(id+1, 1)
	}
	for seq := range int64(3) {
		r.die("p", seq+1, inbox.Trap)
	}
	would, err := r.client.Resolve(t.Context(), "retry", api.Resolve{All: true, DryRun: true})
	if err != nil || !would.DryRun || len(r.control.changed) != 0 {
		t.Fatal(would, err)
	}
	if diff := cmp.Diff([]api.DeadLetterRef{{Plugin: "p", Seq: 1}, {Plugin: "p", Seq: 2}, {Plugin: "p", Seq: 3}}, refs(would.DeadLetters)); diff != "" {
		t.Error(diff)
	}
	ids := []string{would.DeadLetters[1].ID}
	did, err := r.client.Resolve(t.Context(), "discard", api.Resolve{IDs: ids, Reason: "bad data"})
	if err != nil || len(did.DeadLetters) != 1 || did.DeadLetters[0].ID != ids[0] {
		t.Errorf("%+v, %v", did, err)
	}
	did, err = r.client.Resolve(t.Context(), "retry", api.Resolve{DeadLetters: refs(would.DeadLetters)})
	if err != nil || len(did.DeadLetters) != 2 || len(did.Failed) != 1 || did.Failed[0].ID != ids[0] || !strings.Contains(did.Failed[0].Error, "not dead any more") {
		t.Errorf("%+v, %v", did, err)
	}
	if diff := cmp.Diff([]string{"p", "p"}, r.control.changed); diff != "" {
		t.Error(diff)
	}
	if a := r.audited(); len(a) != 3 || !strings.HasSuffix(a[0], "by "+operator.Self()+": bad data") {
		t.Errorf("audit: %q", a)
	}
	left, err := r.client.DeadLetters(t.Context(), inbox.Filter{}, nil, false, api.Reveal{})
	all, aerr := r.client.DeadLetters(t.Context(), inbox.Filter{}, nil, true, api.Reveal{})
	if err != nil || aerr != nil || len(left) != 0 || len(all) != 3 || all[0].Resolution == "" {
		t.Errorf("left %+v, all %+v, %v %v", left, all, err, aerr)
	}
	did, err = r.client.Resolve(t.Context(), "retry", api.Resolve{DeadLetters: []api.DeadLetterRef{{Plugin: "p", Seq: 99}}})
	if err != nil || len(did.Failed) != 1 || did.Failed[0].ID != "" {
		t.Errorf("a letter of no event: %+v, %v", did, err)
	}
}

func TestAReplayThroughAPluginThatKeepsStateMustSaySo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("keeps")
	r.plugin("plain")
	r.accept(1, 2)
	for i, e := range []inbox.Effects{{State: &inbox.StateChange{State: inbox.State{Document: []byte(`{}`)}}}, {KV: []inbox.KVChange{{Key: "k"}}, KVLimit: 9}} {
		e.Lane = inbox.LaneID{Mode: inbox.Live, Key: "k"}
		st := inboxtest.Settled("keeps", int64(i+1))
		st.Effects = &e
		r.settle(st)
		would, err := r.client.CreateReplay(t.Context(), api.ReplayRequest{All: true, DryRun: true})
		if err != nil || fmt.Sprint(would.KeepState) != "[keeps]" {
			t.Errorf("%+v, %v", would, err)
		}
	}
	_, err := r.client.CreateReplay(t.Context(), api.ReplayRequest{All: true})
	wantKind(t, err, inbox.Invalid, "keeps has state")
	if _, err := r.client.CreateReplay(t.Context(), api.ReplayRequest{All: true, Plugins: []string{"plain"}}); err != nil {
		t.Error(err)
	}
	if made, err := r.client.CreateReplay(t.Context(), api.ReplayRequest{All: true, OnTop: true}); err != nil || len(made.Plugins) != 2 {
		t.Errorf("%+v, %v", made, err)
	}
}

func TestAReplayIsStoredForThePluginsThatHaveAFile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.client.CreateReplay(t.Context(), api.ReplayRequest{All: true})
	wantKind(t, err, inbox.Invalid, "there is no plugin to replay through")
	r.plugin("one")
	r.plugin("two")
	r.plugin("absent")
	r.control.files = slices.DeleteFunc(r.control.files, func(f operator.File) bool { return f.Plugin == "absent" })
	r.control.files = append(r.control.files, operator.File{Plugin: "broken", State: inbox.FileRefused})
	list := r.accept(1, 4)
	req := api.ReplayRequest{Filter: inbox.Filter{Events: []string{"workflow"}}, Rate: 5, Reason: "again", DryRun: true}
	would, err := r.client.CreateReplay(t.Context(), req)
	if err != nil || would.Matched != 4 || would.ID != 0 || would.First.ID != list[0].ID || would.Last.ID != list[3].ID || fmt.Sprint(would.Plugins) != "[one two]" {
		t.Errorf("%+v, %v", would, err)
	}
	if all, err := r.client.Replays(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("a dry run stored something: %+v, %v", all, err)
	}
	req.DryRun = false
	made, err := r.client.CreateReplay(t.Context(), req)
	if err != nil || made.ID == 0 || made.State != inbox.ReplayRunning || made.Reason != "again" || made.Actor != operator.Self() || made.Rate != 5 {
		t.Fatalf("%+v, %v", made, err)
	}
	if diff := cmp.Diff([]string{"one", "two"}, r.control.changed); diff != "" {
		t.Error(diff)
	}
	if got, err := r.client.Replay(t.Context(), made.ID); err != nil || len(got.Parts) != 2 || fmt.Sprint(got.Plugins) != "[one two]" {
		t.Errorf("%+v, %v", got, err)
	}
	if st, err := r.client.Status(t.Context()); err != nil || len(st.Replays) != 1 {
		t.Errorf("%+v, %v", st.Replays, err)
	}
	if got, err := r.client.CancelReplay(t.Context(), made.ID, api.ActionRequest{}); err != nil || got.State != inbox.ReplayCancelled {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = r.client.CancelReplay(t.Context(), made.ID, api.ActionRequest{})
	wantKind(t, err, inbox.Conflict, "is not running")
	r.control.files[len(r.control.files)-1].Err, r.control.files[len(r.control.files)-1].Hint = "the file is empty", "copy the file again"
	_, err = r.client.CreateReplay(t.Context(), api.ReplayRequest{All: true, Plugins: []string{"broken"}})
	wantKind(t, err, inbox.Conflict, "plugin broken never ran: the file is empty")
	if inbox.HintOf(err) != "copy the file again" {
		t.Errorf("hint %q", inbox.HintOf(err))
	}
	_, err = r.client.CreateReplay(t.Context(), api.ReplayRequest{All: true, Plugins: []string{"onee"}})
	wantKind(t, err, inbox.NotFound, `there is no plugin "onee"`)
	if inbox.HintOf(err) != "did you mean one?" {
		t.Errorf("hint %q", inbox.HintOf(err))
	}
	named, err := r.client.CreateReplay(t.Context(), api.ReplayRequest{IDs: []string{list[2].ID}, Plugins: []string{"absent"}, DryRun: true})
	if err != nil || named.Matched != 1 || fmt.Sprint(named.Plugins) != "[absent]" {
		t.Errorf("%+v, %v", named, err)
	}
	none, err := r.client.CreateReplay(t.Context(), api.ReplayRequest{Filter: inbox.Filter{Key: "nobody"}, DryRun: true})
	if err != nil || none.Matched != 0 || none.First != nil {
		t.Errorf("%+v, %v", none, err)
	}
}

func TestAPluginIsPausedResumedAndRolledBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	r.control.files = append(r.control.files, operator.File{Plugin: "broken", State: inbox.FileRefused, Err: "not a module", Hint: "build it"})
	r.accept(1, 2)
	list, err := r.client.Plugins(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "broken" || list[0].Error != "not a module" || list[1].Behind != 2 || list[1].State != inbox.FileLive {
		t.Fatalf("%+v, %v", list, err)
	}
	if p, err := r.client.Act(t.Context(), "p", "pause", api.ActionRequest{Reason: "lunch"}); err != nil || !p.Paused {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := r.client.Act(t.Context(), "p", "resume", api.ActionRequest{}); err != nil || p.Paused {
		t.Errorf("%+v, %v", p, err)
	}
	r.settle(&inbox.Settlement{Plugin: "p", Health: inbox.HealthChange{Set: &inbox.Health{OnHold: true, Reason: "trap", Since: time.Now(), ProbeAt: time.Now()}}})
	if p, err := r.client.Plugin(t.Context(), "p", ""); err != nil || !p.OnHold || p.HoldReason != "trap" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := r.client.Act(t.Context(), "p", "resume", api.ActionRequest{}); err != nil || p.OnHold || p.HoldReason != "" {
		t.Errorf("%+v, %v", p, err)
	}
	_, err = r.client.Rollback(t.Context(), "p", api.Rollback{})
	wantKind(t, err, inbox.NotFound, "no release before rel1")
	r.release("p", "rel2")
	r.control.files[0].Live, r.control.files[0].Release = "rel2", "rel2"
	p, err := r.client.Rollback(t.Context(), "p", api.Rollback{Reason: "worse"})
	if err != nil || p.Pinned != "rel1" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = r.client.Rollback(t.Context(), "p", api.Rollback{Release: "rel2"}); err != nil || p.Pinned != "" {
		t.Errorf("%+v, %v", p, err)
	}
	for release, kind := range map[string]inbox.Kind{"rel": inbox.Invalid, "xyz": inbox.NotFound} {
		_, err = r.client.Rollback(t.Context(), "p", api.Rollback{Release: release})
		wantKind(t, err, kind, "")
	}
	_, err = r.client.Act(t.Context(), "broken", "pause", api.ActionRequest{})
	wantKind(t, err, inbox.Conflict, "never ran")
	r.control.files[0].Release = ""
	_, err = r.client.Rollback(t.Context(), "p", api.Rollback{})
	wantKind(t, err, inbox.Conflict, "has no file")
	want := []string{
		"pause p by " + operator.Self() + ": lunch", "resume p by " + operator.Self() + ": ", "resume p by " + operator.Self() + ": ",
		"rollback p by " + operator.Self() + ": worse", "rollback p to its file by " + operator.Self() + ": ",
	}
	if diff := cmp.Diff(want, r.audited()); diff != "" {
		t.Error(diff)
	}
}

func TestAPluginIsShownWithItsModuleAndReleases(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("p")
	r.release("p", "rel2")
	r.release("p", "gone")
	r.control.files[0].Live = "rel2"
	d, err := r.client.Plugin(t.Context(), "p", "")
	if err != nil || d.Release != "rel2" || d.Module.SHA256 != "p/rel2" || d.Manifest != "# rel2" || len(d.Releases) != 3 || !d.Releases[1].Live {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err = r.client.Plugin(t.Context(), "p", "rel1"); err != nil || d.Release != "rel1" {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err = r.client.Plugin(t.Context(), "p", "gone"); err != nil || d.Module != nil {
		t.Errorf("a release whose module is gone: %+v, %v", d, err)
	}
	r.control.files = append(r.control.files, operator.File{Plugin: "new", State: inbox.FileCompiling})
	if d, err = r.client.Plugin(t.Context(), "new", ""); err != nil || d.State != inbox.FileCompiling || d.Module != nil {
		t.Errorf("%+v, %v", d, err)
	}
}

// refuse puts a request signed with a key into the quarantine.
func (r *rig) refuse(id int, key string) {
	r.Helper()
	body := inboxtest.Body(id, 0)
	sig := qoreid.Sign("", []byte(key), []byte(body))
	err := r.store.Refuse(r.Context(), &inbox.Refused{
		Source: "qoreid", Address: "10.0.0.1", Why: qoreid.Mismatch, ReceivedAt: time.Now(), Size: len(body), SignatureHeader: qoreid.DefaultHeader,
		Payload: inbox.Payload{Headers: []inbox.Header{{Name: qoreid.DefaultHeader, Value: sig}}, Body: []byte(body)},
	})
	if err != nil {
		r.Fatal(err)
	}
}

func TestTheQuarantineIsExplainedAndReadmittedWithThePresentSecrets(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.refuse(1, "right")
	r.refuse(2, "wrong")
	r.refuse(3, "right")
	inboxtest.Accept(t, r.store, inboxtest.Body(3, 0))
	list, err := r.client.Quarantine(t.Context(), "qoreid", 10, true)
	if err != nil || len(list) != 3 {
		t.Fatal(list, err)
	}
	var explained []string
	for _, q := range list {
		explained = append(explained, q.Explained)
	}
	if slices.Sort(explained); !strings.HasPrefix(explained[0], "it passes now") || strings.HasPrefix(explained[2], "it passes") {
		t.Errorf("explained: %q", explained)
	}
	would, err := r.client.Recheck(t.Context(), api.RecheckRequest{DryRun: true})
	if err != nil || would.Checked != 3 || would.Admitted != 2 || would.Kept["mismatch"] != 1 || len(r.audited()) != 0 {
		t.Errorf("%+v, %v", would, err)
	}
	did, err := r.client.Recheck(t.Context(), api.RecheckRequest{Source: "qoreid", Reason: "rotated"})
	if err != nil || did.Admitted != 1 || did.Duplicates != 1 || len(did.IDs) != 1 {
		t.Errorf("%+v, %v", did, err)
	}
	if e := r.events(inbox.Filter{}, did.IDs...)[0]; e.Origin != inbox.FromRecheck {
		t.Errorf("%+v", e)
	}
	if list, err = r.client.Quarantine(t.Context(), "", 10, false); err != nil || len(list) != 1 || list[0].Explained != "" {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestStatusNamesEveryReasonToLook(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	st, err := r.client.Status(t.Context())
	if err != nil || len(st.Reasons) != 0 || !st.Serving || st.Version != "v1" {
		t.Fatalf("%+v, %v", st, err)
	}
	for _, name := range []string{"parks", "held", "paused", "away"} {
		r.plugin(name)
	}
	r.accept(1, 1)
	r.accept(2, 1)
	r.die("parks", 1, inbox.Trap)
	r.settle(&inbox.Settlement{Plugin: "held", Health: inbox.HealthChange{Set: &inbox.Health{OnHold: true, Reason: "timeout", Since: time.Now(), ProbeAt: time.Now()}}})
	if err := r.store.SetPaused(t.Context(), inbox.Actor{}, "paused", true); err != nil {
		t.Fatal(err)
	}
	r.refuse(5, "wrong")
	r.control.files = slices.DeleteFunc(r.control.files, func(f operator.File) bool { return f.Plugin == "away" })
	r.control.files = append(r.control.files, operator.File{Plugin: "bad", State: inbox.FileRefused, Err: "truncated"})
	r.control.files[0].Note = "waits for its lanes"
	r.control.notes = []string{"everything is paused"}
	r.opt.Now = func() time.Time { return time.Now().Add(time.Hour) }
	code, body := r.get("GET", "/v1/status", "")
	if code != 200 {
		t.Fatal(body)
	}
	for _, want := range []string{"parked", "on_hold", "paused", "quarantine", "refused_file", "absent", "lag", "note"} {
		if !strings.Contains(body, `"code":"`+want+`"`) {
			t.Errorf("no reason %s in %s", want, body)
		}
	}
}

func TestARefusedRequestIsAReasonForADayOnceAWebhookWasAccepted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	reasons := func(after time.Duration) bool {
		t.Helper()
		r.opt.Now = func() time.Time { return time.Now().Add(after) }
		code, body := r.get("GET", "/v1/status", "")
		if code != 200 {
			t.Fatal(body)
		}
		return strings.Contains(body, `"code":"quarantine"`)
	}
	r.accept(1, 1)
	r.refuse(5, "wrong")
	if !reasons(0) || !reasons(6*24*time.Hour) {
		t.Error("a request that nothing accepted came after is no reason")
	}
	inboxtest.Eventually(t, "the clock moves on", func() bool { // the store's times are whole milliseconds
		st, err := r.store.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return time.Since(st.Quarantine.LastCouldPass) > 2*time.Millisecond
	})
	r.accept(2, 1)
	if !reasons(23*time.Hour) || reasons(25*time.Hour) {
		t.Error("a request from before an accepted webhook is not a reason for a day")
	}
}

func TestTheStoreIsCheckedAndBackedUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, 2)
	if c, err := r.client.CheckStore(t.Context()); err != nil || len(c.Problems) != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	b, err := r.client.Backup(t.Context(), api.BackupRequest{Path: path, Reason: "nightly"})
	if err != nil || b.Bytes == 0 || b.Path != path {
		t.Errorf("%+v, %v", b, err)
	}
	if _, err := os.Stat(path + ".key"); err != nil {
		t.Error(err)
	}
	_, err = r.client.Backup(t.Context(), api.BackupRequest{Path: path})
	wantKind(t, err, inbox.Conflict, "exists")
	if a := r.audited(); a[0] != "backup "+path+" by "+operator.Self()+": nightly" {
		t.Errorf("audit: %q", a)
	}
}
