package operator

import (
	"context"
	"net/http"

	"inbox/inbox"
	"inbox/inbox/api"
)

// filter returns the filter in the parameters of a request. Parameters that the caller reads itself are named in also.
func (s *server) filter(r *http.Request, also ...string) (inbox.Filter, error) {
	f, ids, err := api.ParseFilter(r.URL.Query(), also...)
	if err != nil {
		return f, err
	}
	return f, s.addIDs(r.Context(), &f, ids)
}

// addIDs adds the events with these ids to a filter. Each must exist.
func (s *server) addIDs(ctx context.Context, f *inbox.Filter, ids []string) error {
	for _, id := range ids {
		e, err := s.eventNamed(ctx, id)
		if err != nil {
			return err
		}
		f.Seqs = append(f.Seqs, e.Seq)
	}
	return nil
}

// number returns a parameter that is a number, or fallback.
func number(r *http.Request, name string, fallback int) (int, error) {
	return api.ParseNumber(r.URL.Query(), name, fallback)
}

// isTrue reports whether a parameter is true.
func isTrue(r *http.Request, name string) bool { return r.URL.Query().Get(name) == "true" }
