package operator

import (
	"context"
	"net/http"
	"slices"

	"inbox/inbox"
	"inbox/inbox/api"
)

// resetState deletes a state document. In a server its plugin must be paused, and none of its attempts may run: one that has read the
// document could write it again.
func (s *server) resetState(w http.ResponseWriter, r *http.Request) error {
	var req api.ActionRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	q, err := api.ParseStateQuery(r.URL.Query())
	if err != nil {
		return err
	}
	id, err := s.stateID(r, &q)
	if err != nil {
		return err
	}
	if err := s.waitForAttempts(r.Context(), id.Plugin); err != nil {
		return err
	}
	if err := s.states.ResetState(r.Context(), actor(r, req.Reason), id); err != nil {
		return err
	}
	e, err := s.states.StateAt(r.Context(), id, inbox.StateMoment{})
	if err != nil {
		return err
	}
	return reply(w, stateOf(e, false))
}

// waitForAttempts waits until no attempt of a paused plugin runs. It is a Conflict when some still run.
func (s *server) waitForAttempts(ctx context.Context, plugin string) error {
	records, err := s.records.Plugins(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(records, func(p inbox.PluginRecord) bool { return p.Name == plugin && p.Paused }) {
		return nil // the store refuses, if a server runs
	}
	wait, cancel := context.WithTimeout(ctx, pauseWait)
	defer cancel()
	s.Control.Halt(wait, plugin)
	files, err := s.Control.Files(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(files, func(f File) bool { return f.Plugin == plugin && f.Running > 0 }) {
		return inbox.Errorf(inbox.Conflict, "", "attempts of plugin %s still run", plugin).WithHint("try again when they have ended; limits.time in its manifest bounds them")
	}
	return nil
}
