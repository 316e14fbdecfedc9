package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"inbox/inbox"
	"inbox/inbox/api"
)

func (s *server) listEffects(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f, err := s.filter(r, "state", "origin")
	if err != nil {
		return err
	}
	ef := inbox.EffectFilter{Filter: f, Origin: q.Get("origin")}
	for _, word := range q["state"] {
		if state := inbox.EffectState(word); slices.Contains(inbox.EffectStates(), state) {
			ef.States = append(ef.States, state)
			continue
		}
		return inbox.Errorf(inbox.Invalid, "", "state is %q, not one of %v", word, inbox.EffectStates())
	}
	out := rows{w: w}
	err = s.effects.EachEffect(r.Context(), ef, func(d *inbox.EffectDetail) error { return out.add(effectOf(d)) })
	if err != nil {
		return out.fail(err)
	}
	return out.end("")
}

func (s *server) showEffect(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return inbox.Errorf(inbox.Invalid, "", "%q is not the number of an effect", r.PathValue("id")).WithHint("`inbox effect list` shows the effects")
	}
	d, err := s.effects.Effect(ctx, id)
	if err != nil {
		return err
	}
	reveal := isTrue(r, "reveal")
	if reveal {
		if err := s.audits.Audit(ctx, actor(r, r.URL.Query().Get("reason")), "reveal", fmt.Sprintf("effect %d", id)); err != nil {
			return err
		}
	}
	out := api.EffectDetail{Effect: effectOf(d), Headers: []inbox.Header{}, SecretNames: []string{}, List: []api.Try{}, Revealed: reveal}
	switch req, err := s.effects.EffectRequest(ctx, id); {
	case err != nil && inbox.KindOf(err) == inbox.Unavailable:
		return err
	case err != nil:
		out.Note = err.Error()
	default:
		showRequest(&out, req, reveal)
	}
	tries, err := s.effects.EffectTries(ctx, id)
	if err != nil {
		return err
	}
	for i := range tries {
		out.List = append(out.List, tryOf(&tries[i], reveal))
	}
	return reply(w, out)
}

// showRequest adds a request to an answer. The templates of its secrets are not shown: a plugin may have written a secret into
// one.
func showRequest(out *api.EffectDetail, r *inbox.EffectRequest, reveal bool) {
	out.Raw = r.Raw
	out.SecretNames = slices.AppendSeq(out.SecretNames, slices.Values(slices.Sorted(maps.Keys(r.Secrets))))
	if r.Sign.Scheme != "" {
		out.SecretNames = append(out.SecretNames, "signature ("+string(r.Sign.Scheme)+")")
	}
	if reveal {
		out.URL, out.Headers = r.URL, append(out.Headers, r.Headers...)
	} else {
		out.URL, out.Headers = fmt.Sprintf("%s/… [%d bytes]", out.Origin, len(r.URL)), maskHeaders(r.Headers)
	}
	out.Body, out.BodyBase64 = shownBody(r.Body, reveal)
}

// shownBody returns a body for an answer: masked JSON, or, revealed, JSON or the bytes.
func shownBody(body []byte, reveal bool) (text json.RawMessage, bytes []byte) {
	switch {
	case len(body) == 0:
		return nil, nil
	case !reveal:
		return maskBody(body), nil
	case json.Valid(body):
		return body, nil
	}
	return nil, body
}

func tryOf(y *inbox.Try, reveal bool) api.Try {
	out := api.Try{
		Try: y.Number, StartedAt: y.StartedAt, Millis: float64(y.Duration.Microseconds()) / 1000, Outcome: y.Result, Fate: y.Fate, Counted: y.Counted,
		Status: y.Status, Why: y.Why,
	}
	if r := y.Response; r != nil {
		out.Cut, out.Headers = r.Cut, r.Headers
		if !reveal {
			out.Headers = maskHeaders(r.Headers)
		}
		out.Body, out.BodyBase64 = shownBody(r.Body, reveal)
	}
	return out
}

func effectOf(d *inbox.EffectDetail) api.Effect {
	return api.Effect{
		ID: d.ID, Plugin: d.Lane.Plugin, State: d.State, Method: d.Method, Origin: d.Lane.Origin, Status: d.Status, Why: d.Why, Tries: d.Tries,
		Counted: d.Counted, Parks: d.Parks, EventID: d.Event.ID, Seq: d.Cause.Seq, Run: d.Cause.Run, Attempt: d.Cause.Attempt, Index: d.Cause.Index,
		Mode: d.Lane.Mode, Key: d.Lane.Key, Idempotent: d.Effect.Key, Then: d.Then, CreatedAt: d.CreatedAt, DueAt: d.DueAt, FinishedAt: d.FinishedAt,
	}
}

func (s *server) retryEffects(w http.ResponseWriter, r *http.Request) error {
	return s.resolveEffects(w, r, inbox.Retried)
}

func (s *server) discardEffects(w http.ResponseWriter, r *http.Request) error {
	return s.resolveEffects(w, r, inbox.Discarded)
}

func (s *server) releaseEffects(w http.ResponseWriter, r *http.Request) error {
	return s.resolveEffects(w, r, inbox.Released)
}

func (s *server) dropEffects(w http.ResponseWriter, r *http.Request) error {
	return s.resolveEffects(w, r, inbox.Dropped)
}

// resolveEffects retries, discards, releases or drops effects in the order of their ids.
func (s *server) resolveEffects(w http.ResponseWriter, r *http.Request, how inbox.Resolution) error {
	var req api.ResolveEffects
	if err := decode(w, r, &req); err != nil {
		return err
	}
	if len(req.Effects) == 0 && !req.Filter.Narrow() && req.Origin == "" && !req.All {
		return inbox.Errorf(inbox.Invalid, "", "no effects are selected").WithHint("name effects, give a filter, or say --all")
	}
	ctx := r.Context()
	out := api.ResolvedEffects{DryRun: req.DryRun, Effects: []api.Effect{}, Failed: []api.Failure{}}
	var err error
	if out.Upto, err = s.effects.NewestEffect(ctx); err != nil {
		return err
	}
	selected, err := s.effectsIn(ctx, how.Effects(), &req)
	if err != nil {
		return err
	}
	out.Failed = append(out.Failed, notSelected(req.Effects, selected, how)...)
	if req.DryRun {
		out.Effects = append(out.Effects, selected...)
		return reply(w, out)
	}
	ids := make([]int64, len(selected))
	for i := range selected {
		ids[i] = selected[i].ID
	}
	failed, err := s.effects.ResolveEffects(ctx, actor(r, req.Reason), how, ids)
	for i := range failed {
		if failed[i] == nil {
			out.Effects = append(out.Effects, selected[i])
			continue
		}
		out.Failed = append(out.Failed, api.Failure{ID: fmt.Sprint(ids[i]), Plugin: selected[i].Plugin, Error: failed[i].Error()})
	}
	if err != nil {
		return err
	}
	return reply(w, out)
}

// notSelected returns a failure for each named effect that is not among the selected ones.
func notSelected(named []int64, selected []api.Effect, how inbox.Resolution) (failed []api.Failure) {
	why := map[inbox.Resolution]string{inbox.Released: "it is not held", inbox.Dropped: "it is not to be sent"}[how]
	for _, id := range named {
		if !slices.ContainsFunc(selected, func(e api.Effect) bool { return e.ID == id }) {
			failed = append(failed, api.Failure{ID: fmt.Sprint(id), Error: cmp.Or(why, "it is not dead")})
		}
	}
	return failed
}

// effectsIn returns the effects in some states that a request selects, the oldest first.
func (s *server) effectsIn(ctx context.Context, states []inbox.EffectState, req *api.ResolveEffects) ([]api.Effect, error) {
	var list []api.Effect
	f := inbox.EffectFilter{Filter: req.Filter, IDs: req.Effects, States: states, Origin: req.Origin, Upto: req.Upto}
	err := s.effects.EachEffect(ctx, f, func(d *inbox.EffectDetail) error {
		list = append(list, effectOf(d))
		return nil
	})
	slices.Reverse(list)
	return list, err
}

// effectOrigins returns the counts of effects for the status.
func (s *server) effectOrigins(ctx context.Context) ([]api.EffectOrigin, error) {
	counts, err := s.effects.EffectCounts(ctx)
	list := []api.EffectOrigin{}
	for i := range counts {
		c := &counts[i]
		o := api.EffectOrigin{Plugin: c.Plugin, Origin: c.Origin, Waiting: c.Waiting, Dead: c.Dead, OnHold: c.Health.OnHold, OldestAt: c.OldestAt}
		if o.OnHold {
			o.Held, o.HoldReason, o.HeldAt, o.ProbeAt = c.Waiting, c.Health.Reason, c.Health.Since, c.Health.ProbeAt
		}
		list = append(list, o)
	}
	return list, err
}

// effectReasons returns the reasons to look at outgoing requests.
func (s *server) effectReasons(o *api.EffectOrigin) (list []api.Reason) {
	if why, hint := s.Control.Unsent(o.Plugin); o.Waiting > 0 && why != "" {
		list = append(list, api.Reason{
			Code: "requests_wait", Plugin: o.Plugin, Hint: hint,
			Message: fmt.Sprintf("plugin %s: %s, to %s: %s", o.Plugin, plural(o.Waiting, "request waits", "requests wait"), o.Origin, why),
		})
	}
	if o.Dead > 0 {
		list = append(list, api.Reason{
			Code: "dead_effects", Plugin: o.Plugin, Hint: "`inbox dead list --kind effect --plugin " + o.Plugin + "`",
			Message: fmt.Sprintf("plugin %s: %s dead, to %s", o.Plugin, plural(o.Dead, "request is", "requests are"), o.Origin),
		})
	}
	if o.OnHold {
		list = append(list, api.Reason{
			Code: "origin_on_hold", Plugin: o.Plugin, Hint: "it probes by itself; `inbox effect list --plugin " + o.Plugin + " --state retry` shows why",
			Message: fmt.Sprintf("plugin %s: %s is on hold: %s", o.Plugin, o.Origin, o.HoldReason),
		})
	}
	return list
}
