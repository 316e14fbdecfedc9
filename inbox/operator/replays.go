package operator

import (
	"context"
	"inbox/inbox/api"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"inbox/inbox"
)

func (s *server) listReplays(w http.ResponseWriter, r *http.Request) error {
	jobs, err := s.replays.Replays(r.Context(), "")
	if err != nil {
		return err
	}
	list := make([]api.Replay, 0, len(jobs))
	for i := range jobs {
		list = append(list, replayOf(&jobs[i]))
	}
	return reply(w, list)
}

// createReplay stores a replay. The dispatcher runs it, now or when the next server starts.
func (s *server) createReplay(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var req api.ReplayRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	if err := s.addIDs(ctx, &req.Filter, req.IDs); err != nil {
		return err
	}
	if err := validate(&req); err != nil {
		return err
	}
	plugins, err := s.replayPlugins(ctx, req.Plugins)
	if err != nil {
		return err
	}
	about, err := s.aboutReplay(ctx, plugins)
	if err != nil {
		return err
	}
	if req.DryRun {
		return s.dryReplay(w, r, &req, about)
	}
	if err := decided(&req, about); err != nil {
		return err
	}
	if req.Effects == "" {
		req.Effects = inbox.HoldEffects // a plugin may be granted origins while the replay runs
	}
	j := &inbox.Replay{Filter: req.Filter, Only: req.Only, Plugins: plugins, Rate: req.Rate, Effects: req.Effects, KeepKeys: req.KeepKeys}
	if err := s.plans.CreateReplay(ctx, actor(r, req.Reason), j); err != nil {
		return err
	}
	for _, p := range plugins {
		s.Control.Changed(p)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	return reply(w, replayOf(j))
}

// aboutReplay returns the plugins of a replay, and what it must say about them.
func (s *server) aboutReplay(ctx context.Context, plugins []string) (*api.Replay, error) {
	keeps, err := s.keepState(ctx, plugins)
	if err != nil {
		return nil, err
	}
	sends, err := s.maySend(ctx, plugins)
	return &api.Replay{Plugins: plugins, KeepState: keeps, MaySend: sends}, err
}

// decided returns an error unless a request says what it must say about its plugins.
func decided(req *api.ReplayRequest, about *api.Replay) error {
	switch {
	case len(about.MaySend) > 0 && req.Effects == "":
		return inbox.Errorf(inbox.Invalid, "", "%s may send requests, and nothing says whether the replay sends them", strings.Join(about.MaySend, ", ")).
			WithHint("say effects (--effects): send, hold or drop")
	case len(about.KeepState) > 0 && !req.OnTop:
		return inbox.Errorf(inbox.Invalid, "", "%s has state, and replayed events would change the state of now", strings.Join(about.KeepState, ", ")).
			WithHint("on_top (--on-top) does that; a rebuild (--rebuild) folds the state of one plugin again")
	}
	return nil
}

func validate(req *api.ReplayRequest) error {
	if req.Only == "" {
		req.Only = inbox.OnlyAll
	}
	switch {
	case !req.Filter.Narrow() && !req.All:
		return inbox.Errorf(inbox.Invalid, "", "nothing says which events are meant").WithHint("name events, give a filter, or say --all")
	case !slices.Contains([]inbox.Only{inbox.OnlyAll, inbox.OnlyFailed, inbox.OnlyMissing}, req.Only):
		return inbox.Errorf(inbox.Invalid, "", "only is %q, not failed, missing or all", req.Only)
	case req.Effects != "" && !req.Effects.Valid():
		return inbox.Errorf(inbox.Invalid, "", "effects is %q, not send, hold or drop", req.Effects)
	case req.Rate < 0:
		return inbox.Errorf(inbox.Invalid, "", "the rate is negative")
	case req.Filter.Newest || req.Filter.Before != 0:
		return inbox.Errorf(inbox.Invalid, "", "a replay follows the order of the log: it takes neither newest nor before")
	}
	return nil
}

// keepState returns those of some plugins that have state documents or keys of kv.
func (s *server) keepState(ctx context.Context, plugins []string) (keeps []string, err error) {
	records, err := s.records.Plugins(ctx)
	for i := range records {
		if r := &records[i]; (r.HasState || r.HasKV) && slices.Contains(plugins, r.Name) {
			keeps = append(keeps, r.Name)
		}
	}
	return keeps, err
}

// maySend returns those of some plugins whose live releases may send requests.
func (s *server) maySend(ctx context.Context, plugins []string) (list []string, err error) {
	manifest := s.manifests(ctx)
	for _, name := range plugins {
		m, err := manifest(name)
		if err != nil {
			return nil, err
		}
		if m != nil && m.HTTP.MaySend() {
			list = append(list, name)
		}
	}
	return list, nil
}

// dryReplay writes what a replay would include, and changes nothing. about has its plugins, and what they may do.
func (s *server) dryReplay(w http.ResponseWriter, r *http.Request, req *api.ReplayRequest, about *api.Replay) error {
	matched, first, last, err := s.plans.CountReplay(r.Context(), req.Filter, req.Only, about.Plugins)
	if err != nil {
		return err
	}
	out := replayOf(&inbox.Replay{
		Matched: matched, Plugins: about.Plugins, Only: req.Only, Filter: req.Filter, Rate: req.Rate, Effects: req.Effects, KeepKeys: req.KeepKeys,
	})
	out.DryRun, out.KeepState, out.MaySend = true, about.KeepState, about.MaySend
	if first != nil {
		f, l := eventOf(first), eventOf(last)
		out.First, out.Last = &f, &l
		if err := s.forecast(r.Context(), &out, req.Filter, last.Seq); err != nil {
			return err
		}
	}
	return reply(w, out)
}

// forecast adds the expected counts per plugin to a dry run.
func (s *server) forecast(ctx context.Context, out *api.Replay, f inbox.Filter, upto int64) error {
	manifest := s.manifests(ctx)
	for _, name := range out.Plugins {
		m, err := manifest(name)
		if err != nil {
			return err
		}
		job := inbox.Replay{Filter: f, Only: out.Only, Upto: upto}
		c, known, err := s.plans.Forecast(ctx, &job, name, m)
		if err != nil {
			return err
		}
		if !known {
			out.Parts, out.Note = nil, "the events are too many to forecast which are filtered, continue or wait"
			return nil
		}
		out.Parts = append(out.Parts, api.ReplayPart{
			Plugin: name, Runs: c.OK, Pending: c.Pending, Retried: c.Retried, Filtered: c.Filtered, Waiting: c.Waiting,
		})
	}
	return nil
}

// replayPlugins returns the plugins of a replay: the named plugins, each of which must exist, or all plugins that have a file.
func (s *server) replayPlugins(ctx context.Context, named []string) ([]string, error) {
	plugins, err := s.plugins(ctx)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, p := range plugins {
		if p.CreatedAt.IsZero() {
			continue // its file was never live, so the store has no record of it
		}
		if slices.Contains(named, p.Name) || len(named) == 0 && p.State != inbox.FileAbsent {
			all = append(all, p.Name)
		}
	}
	for _, name := range named {
		if slices.Contains(all, name) {
			continue
		}
		if i := slices.IndexFunc(plugins, func(p api.Plugin) bool { return p.Name == name }); i >= 0 {
			return nil, neverRan(&plugins[i])
		}
		return nil, unknownPlugin(name, plugins)
	}
	if len(all) == 0 {
		return nil, inbox.Errorf(inbox.Invalid, "", "there is no plugin to replay through").WithHint("put a .wasm file into the plugins folder")
	}
	return all, nil
}

func (s *server) replay(r *http.Request) (*inbox.Replay, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, inbox.Errorf(inbox.Invalid, "", "%q is not the number of a replay", r.PathValue("id"))
	}
	return s.replays.Replay(r.Context(), id)
}

func (s *server) showReplay(w http.ResponseWriter, r *http.Request) error {
	j, err := s.replay(r)
	if err != nil {
		return err
	}
	return reply(w, replayOf(j))
}

func (s *server) cancelReplay(w http.ResponseWriter, r *http.Request) error {
	var req api.ActionRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	j, err := s.replay(r)
	if err != nil {
		return err
	}
	if err := s.plans.CancelReplay(r.Context(), actor(r, req.Reason), j.ID); err != nil {
		return err
	}
	s.Control.Changed("")
	return s.showReplay(w, r)
}
