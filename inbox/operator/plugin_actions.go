package operator

import (
	"context"
	"inbox/inbox/api"
	"net/http"
	"slices"
	"time"

	"inbox/inbox"
)

// act calls do with the plugin of the request, tells the dispatcher, and writes the plugin as it is then.
func (s *server) act(w http.ResponseWriter, r *http.Request, do func(p *api.Plugin) error) error {
	p, err := s.plugin(r)
	if err != nil {
		return err
	}
	if p.CreatedAt.IsZero() && p.Disabled == "" {
		return neverRan(p)
	}
	if err := do(p); err != nil {
		return err
	}
	s.Control.Changed(p.Name)
	if p, err = s.plugin(r); err != nil {
		return err
	}
	return reply(w, p)
}

// pauseWait bounds the wait of a pause for running attempts. By default an attempt takes up to five seconds.
const pauseWait = 10 * time.Second

// pausePlugin pauses a plugin. When it answers, no further attempt starts. The answer has the number of attempts that still run.
func (s *server) pausePlugin(w http.ResponseWriter, r *http.Request) error {
	var req api.ActionRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	return s.act(w, r, func(p *api.Plugin) error {
		if err := s.switches.SetPaused(r.Context(), actor(r, req.Reason), p.Name, true); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(r.Context(), pauseWait)
		defer cancel()
		s.Control.Halt(wait, p.Name)
		return nil
	})
}

// resumePaused resumes every plugin that an operator paused.
func (s *server) resumePaused(r *http.Request, reason string) error {
	records, err := s.records.Plugins(r.Context())
	if err != nil {
		return err
	}
	for i := range records {
		if !records[i].Paused {
			continue
		}
		if err := s.switches.SetPaused(r.Context(), actor(r, reason), records[i].Name, false); err != nil {
			return err
		}
		s.Control.Changed(records[i].Name)
	}
	return nil
}

// resumePlugin ends a pause and a hold, and enables a disabled release.
func (s *server) resumePlugin(w http.ResponseWriter, r *http.Request) error {
	var req api.ActionRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	return s.act(w, r, func(p *api.Plugin) error {
		if p.Disabled != "" {
			if err := s.switches.EnableRelease(r.Context(), actor(r, req.Reason), p.Name); err != nil || !(p.OnHold || p.Paused) {
				return err
			}
		}
		if p.OnHold {
			return s.switches.ResumeHold(r.Context(), actor(r, req.Reason), p.Name)
		}
		return s.switches.SetPaused(r.Context(), actor(r, req.Reason), p.Name, false)
	})
}

// rollbackPlugin pins an earlier release until the plugin's file changes. Rolling back to the file's own release ends
// the pin.
func (s *server) rollbackPlugin(w http.ResponseWriter, r *http.Request) error {
	var req api.Rollback
	if err := decode(w, r, &req); err != nil {
		return err
	}
	return s.act(w, r, func(p *api.Plugin) error {
		releases, err := s.records.Releases(r.Context(), p.Name)
		if err != nil {
			return err
		}
		to, err := earlier(releases, p, req.Release)
		if err != nil {
			return err
		}
		if p.File == "" {
			return inbox.Errorf(inbox.Conflict, "", "plugin %s has no file in the plugins folder", p.Name).WithHint("put its file back first")
		}
		who := actor(r, req.Reason)
		if to.ID == p.File {
			if err := s.audits.Audit(r.Context(), who, "rollback", p.Name+" to its file"); err != nil {
				return err
			}
			if p.Disabled != "" {
				if err := s.switches.EnableRelease(r.Context(), who, p.Name); err != nil {
					return err
				}
			}
			return s.switches.Unpin(r.Context(), p.Name)
		}
		return s.switches.SetPin(r.Context(), who, p.Name, to.ID, p.File)
	})
}

// earlier returns the release for a rollback: the release with the id, or the release before the live one when id is empty.
func earlier(releases []inbox.Release, p *api.Plugin, id string) (*inbox.Release, error) {
	if id != "" {
		return pick(releases, p, id)
	}
	i := slices.IndexFunc(releases, func(r inbox.Release) bool { return r.ID == p.Live })
	if i < 0 || i+1 >= len(releases) {
		return nil, inbox.Errorf(inbox.NotFound, "", "plugin %s has no release before %s", p.Name, p.Live).
			WithHint("`inbox plugin inspect " + p.Name + "` lists its releases")
	}
	return &releases[i+1], nil
}
