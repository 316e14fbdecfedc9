package api

import (
	"context"
	"net/http"
	"slices"

	"inbox/inbox"
	"inbox/inbox/store"
)

func (s *server) listDead(w http.ResponseWriter, r *http.Request) error {
	f, err := s.filter(r, "resolved", "reveal", "reason")
	if err != nil {
		return err
	}
	reveal := yes(r, "reveal")
	if reveal {
		if err := s.Store.Audit(r.Context(), actor(r, r.URL.Query().Get("reason")), "reveal", "reasons of dead letters"); err != nil {
			return err
		}
	}
	letters, err := s.Store.Letters(r.Context(), store.LetterFilter{Filter: f, Resolved: yes(r, "resolved")})
	if err != nil {
		return err
	}
	list := make([]Letter, 0, len(letters))
	for i := range letters {
		list = append(list, letterOf(&letters[i], reveal))
	}
	return reply(w, list)
}

func (s *server) retryDead(w http.ResponseWriter, r *http.Request) error {
	return s.resolve(w, r, s.Store.Retry)
}

func (s *server) discardDead(w http.ResponseWriter, r *http.Request) error {
	return s.resolve(w, r, s.Store.Discard)
}

// resolve does something to dead letters, in the order of their events, and goes on when one fails.
func (s *server) resolve(w http.ResponseWriter, r *http.Request, do func(context.Context, store.Actor, string, int64, int64) error) error {
	var req Resolve
	if err := read(w, r, &req); err != nil {
		return err
	}
	out := Resolved{DryRun: req.DryRun, Letters: []Letter{}, Failed: []Failure{}}
	letters, err := s.chosen(r.Context(), &req, &out)
	if err != nil {
		return err
	}
	touched := map[string]bool{}
	for i := range letters {
		l := &letters[i]
		if !req.DryRun {
			if err := do(r.Context(), actor(r, req.Reason), l.Plugin, l.Seq, l.Run); err != nil {
				out.Failed = append(out.Failed, Failure{ID: l.Event.ID, Plugin: l.Plugin, Error: err.Error()})
				continue
			}
			touched[l.Plugin] = true
		}
		out.Letters = append(out.Letters, letterOf(l, false))
	}
	for plugin := range touched {
		s.House.Changed(plugin)
	}
	return reply(w, out)
}

// chosen returns the unresolved letters that a request means, in the order of the log. Those that it names and that
// are not dead are failures.
func (s *server) chosen(ctx context.Context, req *Resolve, out *Resolved) ([]inbox.Letter, error) {
	f := req.Filter
	if len(req.Letters) == 0 {
		if err := s.addIDs(ctx, &f, req.IDs); err != nil {
			return nil, err
		}
		if !f.Narrow() && !req.All {
			return nil, inbox.Errorf(inbox.Invalid, "", "nothing says which dead letters are meant").WithHint("name events, give a filter, or say --all")
		}
		return s.letters(ctx, f)
	}
	var found []inbox.Letter
	for part := range slices.Chunk(req.Letters, 500) {
		seqs := make([]int64, 0, len(part))
		for _, ref := range part {
			seqs = append(seqs, ref.Seq)
		}
		letters, err := s.letters(ctx, inbox.Filter{Seqs: seqs})
		if err != nil {
			return nil, err
		}
		for _, ref := range part {
			i := slices.IndexFunc(letters, func(l inbox.Letter) bool { return LetterRef{l.Plugin, l.Seq, l.Run} == ref })
			if i < 0 {
				id := ""
				if e, err := s.Store.Event(ctx, ref.Seq); err == nil {
					id = e.ID
				}
				out.Failed = append(out.Failed, Failure{ID: id, Plugin: ref.Plugin, Error: "it is not dead any more"})
				continue
			}
			found = append(found, letters[i])
		}
	}
	return found, nil
}

func (s *server) letters(ctx context.Context, f inbox.Filter) ([]inbox.Letter, error) {
	letters, err := s.Store.Letters(ctx, store.LetterFilter{Filter: f})
	slices.SortFunc(letters, func(a, b inbox.Letter) int { return int(a.Seq - b.Seq) })
	return letters, err
}
