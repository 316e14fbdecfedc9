package operator

import (
	"context"
	"encoding/json"
	"inbox/inbox/api"
	"net/http"

	"inbox/inbox"
)

// manifests returns a function that returns the manifest in force for a plugin. Use it within one request.
func (s *server) manifests(ctx context.Context) func(plugin string) (*inbox.Manifest, error) {
	return func(plugin string) (*inbox.Manifest, error) {
		m, err := s.Control.Manifest(ctx, plugin)
		if kind := inbox.KindOf(err); err != nil && (kind == inbox.NotFound || kind == inbox.Invalid) {
			return nil, nil // its release is gone, so its filters are unknown
		}
		return m, err
	}
}

// rows writes a list within an answer, item by item, so that the list may have any length.
type rows struct {
	w      http.ResponseWriter
	before string // of the list
	begun  bool
	n      int
}

func (o *rows) begin() {
	if !o.begun {
		o.begun = true
		o.w.Header().Set("Content-Type", "application/json")
		_, _ = o.w.Write([]byte(o.before + "["))
	}
}

// add writes one item. It returns an error when the client is gone.
func (o *rows) add(v any) error {
	o.begin()
	if o.n++; o.n > 1 {
		if _, err := o.w.Write([]byte(",")); err != nil {
			return err
		}
	}
	return json.NewEncoder(o.w).Encode(v)
}

// end ends the list and writes the rest of the answer.
func (o *rows) end(after string) error {
	o.begin()
	_, _ = o.w.Write([]byte("]" + after + "\n"))
	return nil
}

// fail returns the error, or aborts the answer when a part of it is written: half of a list must not look complete.
func (o *rows) fail(err error) error {
	if o.begun {
		abort()
	}
	return err
}

func (s *server) listDead(w http.ResponseWriter, r *http.Request) error {
	run, err := number(r, "replay", 0)
	if err != nil {
		return err
	}
	f, err := s.filter(r, "resolved", "reveal", "reason", "replay")
	if err != nil {
		return err
	}
	reveal := isTrue(r, "reveal")
	if reveal {
		if err := s.audits.Audit(r.Context(), actor(r, r.URL.Query().Get("reason")), "reveal", "reasons of dead letters"); err != nil {
			return err
		}
	}
	lf := inbox.DeadLetterFilter{Filter: f, Resolved: isTrue(r, "resolved"), Run: int64(run), Manifest: s.manifests(r.Context())}
	out := rows{w: w}
	err = s.dead.EachDeadLetter(r.Context(), lf, func(l *inbox.DeadLetterDetail) error { return out.add(deadLetterOf(l, reveal)) })
	if err != nil {
		return out.fail(err)
	}
	return out.end("")
}

func (s *server) retryDead(w http.ResponseWriter, r *http.Request) error {
	return s.resolve(w, r, inbox.Retried)
}

func (s *server) discardDead(w http.ResponseWriter, r *http.Request) error {
	return s.resolve(w, r, inbox.Discarded)
}

// resolving is a request to retry or discard dead letters, while it runs.
type resolving struct {
	*server
	req  *api.Resolve
	who  inbox.Actor
	how  inbox.Resolution
	rows rows
	out  api.Resolved
	done map[string]bool // plugins with resolved dead letters
}

// resolve retries or discards dead letters in the order of their events, and goes on when one fails. It writes each dead letter
// as soon as it is resolved.
func (s *server) resolve(w http.ResponseWriter, r *http.Request, how inbox.Resolution) error {
	var req api.Resolve
	if err := decode(w, r, &req); err != nil {
		return err
	}
	x := resolving{
		server: s, req: &req, who: actor(r, req.Reason), how: how, done: map[string]bool{}, rows: rows{w: w, before: `{"dead_letters":`},
		out: api.Resolved{DryRun: req.DryRun, DeadLetters: []api.DeadLetter{}, Failed: []api.Failure{}},
	}
	var err error
	if x.out.AsOf, err = s.dead.NewestDeath(r.Context()); err != nil {
		return err
	}
	err = x.all(r.Context())
	for plugin := range x.done {
		s.Control.Changed(plugin)
	}
	if err != nil {
		return x.rows.fail(err)
	}
	after, err := json.Marshal(struct {
		api.Resolved
		Letters *struct{} `json:"dead_letters,omitempty"` // they are written already
	}{Resolved: x.out})
	if err != nil {
		return x.rows.fail(err)
	}
	return x.rows.end("," + string(after[1:]))
}

// all resolves the open dead letters that the request selects.
func (x *resolving) all(ctx context.Context) error {
	f := x.req.Filter
	if len(x.req.DeadLetters) > 0 {
		return x.named(ctx)
	}
	if err := x.addIDs(ctx, &f, x.req.IDs); err != nil {
		return err
	}
	if !f.Narrow() && !x.req.All {
		return inbox.Errorf(inbox.Invalid, "", "no dead letters are selected").WithHint("name events, give a filter, or say --all")
	}
	lf := inbox.DeadLetterFilter{Filter: f, DiedBefore: x.req.DiedBefore}
	if x.req.DryRun {
		lf.Manifest = x.manifests(ctx)
	}
	return x.dead.OpenDeadLetters(ctx, lf, func(page []inbox.DeadLetterDetail) error { return x.resolvePage(ctx, page) })
}

// named resolves the dead letters that the request names one by one. Deliveries that are not dead are failures.
func (x *resolving) named(ctx context.Context) error {
	refs := make([]inbox.DeadLetter, 0, len(x.req.DeadLetters))
	for _, ref := range x.req.DeadLetters {
		refs = append(refs, inbox.DeadLetter{Plugin: ref.Plugin, Seq: ref.Seq, Run: ref.Run})
	}
	deadLetters, err := x.dead.DeadLettersOf(ctx, refs)
	if err != nil {
		return err
	}
	open := make(map[api.DeadLetterRef]bool, len(deadLetters))
	for i := range deadLetters {
		open[api.DeadLetterRef{Plugin: deadLetters[i].Plugin, Seq: deadLetters[i].Seq, Run: deadLetters[i].Run}] = true
	}
	for _, ref := range x.req.DeadLetters {
		if open[ref] {
			continue
		}
		id := ""
		if e, err := x.events.Event(ctx, ref.Seq); err == nil {
			id = e.ID
		}
		x.out.Failed = append(x.out.Failed, api.Failure{ID: id, Plugin: ref.Plugin, Error: "it is not dead any more"})
	}
	return x.resolvePage(ctx, deadLetters)
}

// resolvePage resolves one page of dead letters and writes those that were resolved.
func (x *resolving) resolvePage(ctx context.Context, deadLetters []inbox.DeadLetterDetail) error {
	failed := make([]error, len(deadLetters))
	if !x.req.DryRun {
		refs := make([]inbox.DeadLetter, 0, len(deadLetters))
		for i := range deadLetters {
			refs = append(refs, deadLetters[i].DeadLetter)
		}
		why, err := x.dead.ResolveDead(ctx, x.who, x.how, refs)
		for i := range why {
			x.done[deadLetters[i].Plugin] = true
		}
		if err != nil {
			return err
		}
		failed = why
	}
	for i := range deadLetters {
		l := &deadLetters[i]
		if failed[i] != nil {
			x.out.Failed = append(x.out.Failed, api.Failure{ID: l.Event.ID, Plugin: l.Plugin, Error: failed[i].Error()})
			continue
		}
		x.out.Count++
		if l.Parks {
			x.out.Parked++
			x.out.Waiting += l.Waiting
			x.out.AtLeast = x.out.AtLeast || l.AtLeast
		}
		if x.req.Brief {
			continue
		}
		if err := x.rows.add(deadLetterOf(l, false)); err != nil {
			return err
		}
	}
	return nil
}
