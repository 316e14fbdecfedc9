package operator_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
)

// ask settles an event with requests of the plugin crm. The paths begin with a slash.
func (r *rig) ask(paths ...string) {
	r.Helper()
	e := r.accept(1, 1)[0]
	st := inboxtest.Settled("crm", e.Seq)
	st.Effects = &inbox.Effects{Lane: inbox.LaneID{Mode: inbox.Live, Key: "qoreid/workflow/1"}}
	for _, path := range paths {
		st.Effects.Requests = append(st.Effects.Requests, inbox.Outgoing{Origin: "https://crm.example.com", Request: inbox.Request{
			Method: "POST", URL: "https://crm.example.com" + path, Headers: []inbox.Header{{Name: "X-Name", Value: "Ada"}},
			Secrets: map[string]string{"Authorization": "Bearer hunter2 {{secret.token}}"}, Body: []byte(`{"name":"Ada"}`),
		}})
	}
	r.settle(st)
}

// refuseEffect settles a try of the first due effect: the receiver answered 422.
func (r *rig) refuseEffect() {
	r.Helper()
	list, err := r.store.DueEffects(r.Context(), "crm", "https://crm.example.com", 1)
	if err != nil || len(list) != 1 {
		r.Fatal(list, err)
	}
	done := make(chan error, 1)
	err = r.store.SettleSend(r.Context(), &inbox.SendSettlement{
		Term: r.store.Term(), Effect: &list[0], Decision: inbox.Decision{Fate: inbox.Dead, Counted: 1, Parks: true},
		Sent: &inbox.Sent{Why: "the receiver answered 422", Response: &inbox.Response{Status: 422, Body: []byte(`{"wrong":"Ada"}`)}},
	}, func(err error) { done <- err })
	if err == nil {
		err = <-done
	}
	if err != nil {
		r.Fatal(err)
	}
}

func TestAnEffectIsMaskedUnlessItIsRevealedAndItsSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("crm")
	r.ask("/people/Ada")
	r.refuseEffect()
	shown := func(v api.Reveal) (api.EffectDetail, string) {
		d, err := r.client.Effect(t.Context(), 1, v)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return d, string(text)
	}
	masked, text := shown(api.Reveal{})
	if strings.Contains(text, "Ada") || masked.Origin != "https://crm.example.com" || masked.Status != 422 || len(masked.List) != 1 {
		t.Errorf("masked: %s", text)
	}
	d, revealed := shown(api.Reveal{On: true, Reason: "ticket 8"})
	if d.URL != "https://crm.example.com/people/Ada" || !strings.Contains(revealed, `{"wrong":"Ada"}`) || !slices.Equal(d.SecretNames, []string{"Authorization"}) {
		t.Errorf("revealed: %s", revealed)
	}
	for _, text := range []string{text, revealed} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "secret.token") {
			t.Errorf("the template of a secret is shown: %s", text)
		}
	}
	if !slices.ContainsFunc(r.audited(), func(line string) bool { return strings.Contains(line, "reveal") && strings.Contains(line, "effect 1") }) {
		t.Errorf("audited: %q", r.audited())
	}
}

func TestDeadEffectsAreResolvedAsTheyWereConfirmed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("crm")
	r.ask("/1", "/2")
	r.refuseEffect()
	st, err := r.client.Status(t.Context())
	if err != nil || len(st.Effects) != 1 || st.Effects[0].Waiting != 1 || st.Effects[0].Dead != 1 ||
		!slices.ContainsFunc(st.Reasons, func(x api.Reason) bool { return x.Code == "dead_effects" && x.Plugin == "crm" }) {
		t.Errorf("status %+v, %+v, %v", st.Effects, st.Reasons, err)
	}
	if slices.ContainsFunc(st.Reasons, func(x api.Reason) bool { return x.Code == "requests_wait" }) {
		t.Errorf("requests that are sent wait for a reason: %+v", st.Reasons)
	}
	r.control.unsent = "the CA file is gone"
	if st, err = r.client.Status(t.Context()); err != nil || !slices.ContainsFunc(st.Reasons, func(x api.Reason) bool {
		return x.Code == "requests_wait" && x.Message == "plugin crm: 1 request waits, to https://crm.example.com: the CA file is gone"
	}) {
		t.Errorf("%+v, %v", st.Reasons, err)
	}
	if _, err := r.client.ResolveEffects(t.Context(), "retry", api.ResolveEffects{}); inbox.KindOf(err) != inbox.Invalid {
		t.Errorf("without a selection: %v", err)
	}
	preview, err := r.client.ResolveEffects(t.Context(), "retry", api.ResolveEffects{All: true, DryRun: true})
	if err != nil || len(preview.Effects) != 1 || preview.Effects[0].ID != 1 || preview.Upto != 2 {
		t.Errorf("dry run: %+v, %v", preview, err)
	}
	out, err := r.client.ResolveEffects(t.Context(), "discard", api.ResolveEffects{Effects: []int64{1, 2, 99}})
	if err != nil || len(out.Effects) != 1 || len(out.Failed) != 2 || out.Failed[0].ID != "2" {
		t.Errorf("discarded: %+v, %v", out, err)
	}
	var states []inbox.EffectState
	err = r.client.EachEffect(t.Context(), api.EffectQuery{Origin: "https://crm.example.com"}, func(e api.Effect) error {
		states = append(states, e.State)
		return nil
	})
	if err != nil || !slices.Equal(states, []inbox.EffectState{inbox.EffectWaiting, inbox.EffectDiscarded}) {
		t.Errorf("states %v, %v", states, err)
	}
}
