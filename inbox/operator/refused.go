package operator

import (
	"cmp"
	"context"
	"inbox/inbox/api"
	"slices"
	"strings"
	"time"

	"inbox/inbox"
)

// refusedFor is how long the status lists a refused request.
const refusedFor = 24 * time.Hour

// refusedSince returns the refusals of the last day, including those not stored yet.
func (s *server) refusedSince(ctx context.Context) ([]api.Refusal, error) {
	all, err := s.condition.Refusals(ctx, s.Now().Add(-refusedFor))
	if err != nil {
		return nil, err
	}
	if s.Refused != nil {
		all = append(all, s.Refused()...)
	}
	list := []api.Refusal{}
	for i := range all {
		r := api.Refusal{Source: all[i].Source, Why: all[i].Why, Lost: all[i].Lost, Count: all[i].Count, LastAt: all[i].LastAt}
		at := slices.IndexFunc(list, func(x api.Refusal) bool { return x.Source == r.Source && x.Why == r.Why && x.Lost == r.Lost })
		if at < 0 {
			list = append(list, r)
			continue
		}
		list[at].Count += r.Count
		if r.LastAt.After(list[at].LastAt) {
			list[at].LastAt = r.LastAt
		}
	}
	slices.SortFunc(list, func(a, b api.Refusal) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Why, b.Why))
	})
	return list, nil
}

// lostReasons returns a reason for each group of signed webhooks that were refused and not kept. Requests without a well-formed
// signature are no reason.
func lostReasons(refused []api.Refusal) []api.Reason {
	var list []api.Reason
	for _, r := range refused {
		if r.Lost {
			says, hint := (&inbox.Refusal{Source: r.Source, Why: r.Why, Lost: true, Count: r.Count}).Says()
			list = append(list, api.Reason{Code: "lost_" + r.Why, Message: "since yesterday " + says, Hint: hint})
		}
	}
	return list
}
