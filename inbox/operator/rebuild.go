package operator

import (
	"net/http"

	"inbox/inbox"
	"inbox/inbox/api"
)

// rebuildPlugin folds state of a plugin again. It answers when the state is replaced.
func (s *server) rebuildPlugin(w http.ResponseWriter, r *http.Request) error {
	var req api.RebuildRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	plugins, err := s.replayPlugins(r.Context(), []string{r.PathValue("name")})
	if err != nil {
		return err
	}
	if err := s.addIDs(r.Context(), &req.Filter, req.IDs); err != nil {
		return err
	}
	switch {
	case !req.Filter.Narrow() && !req.All:
		return inbox.Errorf(inbox.Invalid, "", "nothing says whose state is meant").WithHint("name events, give a filter such as --key, or say --all")
	case req.Filter.Narrow() && req.All:
		return inbox.Errorf(inbox.Invalid, "", "all documents, and a filter").WithHint("say only one of them")
	case req.Filter.Newest || req.Filter.Before != 0 || req.Filter.Limit != 0:
		return inbox.Errorf(inbox.Invalid, "", "a rebuild takes neither newest, before nor limit")
	}
	done, err := s.Control.Rebuild(r.Context(), &inbox.RebuildRequest{Plugin: plugins[0], Actor: actor(r, req.Reason), Filter: req.Filter, All: req.All})
	if err != nil {
		return err
	}
	return reply(w, api.Rebuilt{
		Plugin: plugins[0], Release: done.Release, Events: done.Events, Lanes: done.Lanes, Changed: done.Changed, Deleted: done.Deleted,
	})
}

// showRebuild writes how far the rebuild of a plugin is.
func (s *server) showRebuild(w http.ResponseWriter, r *http.Request) error {
	plugins, err := s.replayPlugins(r.Context(), []string{r.PathValue("name")})
	if err != nil {
		return err
	}
	p, running := s.Control.Rebuilding(plugins[0])
	return reply(w, api.RebuildProgress{Running: running, Seq: p.Seq, Head: p.Head})
}
