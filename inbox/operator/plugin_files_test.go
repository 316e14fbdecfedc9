package operator_test

import (
	"slices"
	"testing"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/operator"
)

func TestAFileThatBelongsToNoPluginIsListedAndAcceptsNoAction(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("crm")
	stray := operator.File{Plugin: "crrm.toml", State: inbox.FileStray, Err: `"crrm.toml" is a manifest without a module`, Hint: "did you mean crm.toml?"}
	r.control.files = append(r.control.files, stray)
	st, err := r.client.Status(t.Context())
	if err != nil || !slices.ContainsFunc(st.Reasons, func(x api.Reason) bool {
		return x.Code == "stray_file" && x.Plugin == "" && x.Message == "the plugins folder: "+stray.Err && x.Hint == stray.Hint
	}) {
		t.Errorf("%+v, %v", st.Reasons, err)
	}
	if _, err := r.client.Remove(t.Context(), "crrm.toml", api.ActionRequest{}); inbox.KindOf(err) != inbox.Conflict {
		t.Errorf("removed: %v", err)
	}
	for _, verb := range []string{"pause", "resume"} {
		if _, err := r.client.Act(t.Context(), "crrm.toml", verb, api.ActionRequest{}); inbox.KindOf(err) != inbox.Conflict {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if d, err := r.client.Plugin(t.Context(), "crrm.toml", ""); err != nil || d.Error != stray.Err || len(d.Permissions) != 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestAnAbsentPluginThatWasLiveIsAReasonBeforeAnythingWaitsForIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("crm")
	r.control.files[0] = operator.File{Plugin: "crm", State: inbox.FileAbsent}
	absent := func() string {
		st, err := r.client.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range st.Reasons {
			if x.Code == "absent" {
				return x.Message
			}
		}
		return ""
	}
	if got := absent(); got != "plugin crm: it was live and its file is absent" {
		t.Errorf("%q", got)
	}
	r.accept(1, 2)
	if got := absent(); got != "plugin crm: it was live and its file is absent: 2 events wait" {
		t.Errorf("%q", got)
	}
	if out, err := r.client.Remove(t.Context(), "crm", api.ActionRequest{Reason: "sold"}); err != nil || out.Releases != 1 || !slices.Equal(r.control.unused, []string{"rel1"}) {
		t.Errorf("%+v, %v, %v", out, r.control.unused, err)
	}
	if got := absent(); got != "" {
		t.Errorf("%q", got)
	}
}
