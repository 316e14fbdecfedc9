package operator

import (
	"cmp"
	"net/http"

	"inbox/inbox"
	"inbox/inbox/api"
)

// linkEntity ties a key to a customer reference.
func (s *server) linkEntity(w http.ResponseWriter, r *http.Request) error {
	var req api.LinkRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	ask := inbox.LinkRequest{Mode: cmp.Or(req.Mode, inbox.Live), Key: req.Key, Reference: req.Reference, Replace: req.Replace, Ahead: req.Ahead}
	if err := inbox.CheckLink(&ask); err != nil {
		return err
	}
	l, err := s.entities.LinkEntity(r.Context(), actor(r, req.Reason), &ask)
	if err != nil {
		return err
	}
	return reply(w, api.EntityLink{
		Mode: l.Mode, Key: l.Key, Reference: l.Reference, After: l.After, At: l.At.UTC(), Before: l.Before, Waiting: append([]string{}, l.Waiting...),
	})
}
