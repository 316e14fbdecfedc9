package operator

import (
	"context"
	"fmt"
	"inbox/inbox/api"
	"net/http"
	"slices"
	"strings"
	"time"

	"inbox/inbox"
)

func quarantineOf(q *inbox.QuarantineStats) api.Quarantine {
	out := api.Quarantine{
		Count: q.Count, Bytes: q.Bytes, Dropped: q.Dropped, Oldest: q.Oldest, CouldPass: q.CouldPass, DroppedCouldPass: q.DroppedCouldPass,
		DroppedBy: q.DroppedBy, MaxCount: q.MaxCount, MaxBytes: q.MaxBytes, MaxAgeSeconds: int64(q.MaxAge.Seconds()),
		LastCouldPass: q.LastCouldPass,
	}
	if !q.Oldest.IsZero() {
		out.OldestExpires = q.Oldest.Add(q.MaxAge)
	}
	return out
}

// reasonFor is how long a request in the quarantine stays a reason after a later webhook was accepted.
const reasonFor = 24 * time.Hour

// quarantineReasons returns the reasons to look at the quarantine. A request without a well-formed signature is no reason: anybody
// can post it. A stranger can also forge a well-formed signature. So a request is a reason for one day only after a later
// webhook was accepted.
func quarantineReasons(q *api.Quarantine, now, accepted time.Time) []api.Reason {
	if q.CouldPass == 0 || q.LastCouldPass.Before(accepted) && now.Sub(q.LastCouldPass) > reasonFor {
		return nil
	}
	return []api.Reason{{
		Code: "quarantine", Message: plural(q.CouldPass, "request is", "requests are") + " in the quarantine that another secret could admit",
		Hint: "`inbox secret check` says why; `inbox secret recheck` admits the requests that pass, `inbox secret discard` deletes the rest",
	}}
}

func (s *server) listQuarantine(w http.ResponseWriter, r *http.Request) error {
	limit, err := number(r, "limit", 100)
	if err != nil {
		return err
	}
	ctx, source := r.Context(), r.URL.Query().Get("source")
	refused, err := s.quarantine.RefusedList(ctx, source, limit)
	if err != nil {
		return err
	}
	explained := map[int64]string{}
	if isTrue(r, "explain") {
		if explained, err = s.explain(ctx, refused); err != nil {
			return err
		}
	}
	list := make([]api.Refused, 0, len(refused))
	for i := range refused {
		list = append(list, refusedOf(&refused[i], explained[refused[i].ID]))
	}
	return reply(w, list)
}

// recheck verifies the requests in the quarantine again, in the order of arrival, and stores those that pass now.
func (s *server) recheck(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var req api.RecheckRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	out := api.Rechecked{DryRun: req.DryRun, Kept: map[string]int64{}, IDs: []string{}, Failed: []api.Failure{}}
	if !req.DryRun {
		if err := s.audits.Audit(ctx, actor(r, req.Reason), "recheck", strings.TrimSpace("quarantine "+req.Source)); err != nil {
			return err
		}
	}
	err := s.quarantine.EachRefused(ctx, req.Source, func(one *inbox.Refused) error {
		out.Checked++
		a, why, err := s.Sources.Verify(one)
		switch {
		case err != nil:
			out.Failed = append(out.Failed, api.Failure{ID: fmt.Sprint(one.ID), Error: err.Error()})
		case why != "":
			out.Kept[why]++
		case req.DryRun:
			out.Admitted++
		default:
			s.readmit(ctx, one.ID, a, &out)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	return reply(w, out)
}

func (s *server) readmit(ctx context.Context, id int64, a *inbox.Arrival, out *api.Rechecked) {
	receipt, err := s.quarantine.Readmit(ctx, id, a)
	switch {
	case err != nil:
		out.Failed = append(out.Failed, api.Failure{ID: fmt.Sprint(id), Error: err.Error()})
	case receipt.Status == inbox.Duplicate:
		out.Duplicates++
	default:
		out.Admitted++
		out.IDs = append(out.IDs, receipt.ID)
	}
}

// explain returns the text that explains each refused request, by id.
func (s *server) explain(ctx context.Context, refused []inbox.Refused) (map[int64]string, error) {
	explained := map[int64]string{}
	for i := range refused {
		one, err := s.quarantine.RefusedRequest(ctx, refused[i].ID)
		if inbox.KindOf(err) == inbox.NotFound {
			continue // evicted since the list was read
		}
		if err != nil {
			return nil, err
		}
		if explained[one.ID] = s.Sources.Explain(one); explained[one.ID] == "" {
			explained[one.ID] = "it passes now: `inbox secret recheck` lets it in"
		}
		if kept := len(one.Payload.Body); kept < one.BodySize {
			explained[one.ID] += fmt.Sprintf("; of its %d bytes the first %d are kept", one.BodySize, kept)
		}
	}
	return explained, nil
}

// discardRefused deletes requests from the quarantine.
func (s *server) discardRefused(w http.ResponseWriter, r *http.Request) error {
	var req api.DiscardRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	faults := inbox.SignatureFaults()
	for _, why := range req.Why {
		if !slices.Contains(faults, why) {
			return inbox.Errorf(inbox.Invalid, "", "%q is not one of %s", why, strings.Join(faults, ", "))
		}
	}
	target := strings.Join(append(strings.Fields("quarantine "+req.Source), req.Why...), " ")
	if err := s.audits.Audit(r.Context(), actor(r, req.Reason), "discard", target); err != nil {
		return err
	}
	n, err := s.quarantine.DiscardRefused(r.Context(), req.Source, req.Why)
	if err != nil {
		return err
	}
	return reply(w, api.Discarded{Discarded: n})
}
