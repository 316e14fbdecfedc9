package operator

import (
	"context"
	"fmt"
	"inbox/inbox/api"

	"inbox/inbox"
)

const (
	manyFrom = 30 // attempts of an unfinished run that make it a reason
	manyMost = 10 // runs that are listed
)

// manyAttempts returns a reason for each unfinished run with at least manyFrom attempts. Its plugin is unlikely ever to succeed.
func (s *server) manyAttempts(ctx context.Context) []api.Reason {
	runs, err := s.deliveries.ManyAttempts(ctx, manyFrom, manyMost)
	if err != nil {
		return []api.Reason{{Code: "store", Message: "runs with many attempts cannot be read: " + err.Error(), Hint: inbox.HintOf(err)}}
	}
	var list []api.Reason
	for _, r := range runs {
		behind := "later events of its verification wait"
		if r.Run != 0 {
			behind = fmt.Sprintf("it is of replay %d", r.Run)
		}
		list = append(list, api.Reason{
			Code: "many_attempts", Plugin: r.Plugin,
			Message: fmt.Sprintf("plugin %s: event %s had %d attempts and is still retried; %s", r.Plugin, r.ID, r.Attempts, behind),
			Hint:    fmt.Sprintf("`inbox event show %s` shows why; fix the plugin, or set on_failure = \"park\" in %s.toml", r.ID, r.Plugin),
		})
	}
	return list
}
