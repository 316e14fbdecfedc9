package cli

import (
	"fmt"
	"strings"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

// askEffects asks what becomes of the requests of plugins that may send some, unless a flag said it.
func (p *program) askEffects(yes bool, maySend []string, req *api.ReplayRequest) error {
	if len(maySend) == 0 || req.Effects != "" {
		return nil
	}
	const hint = "say --effects send, hold (they are stored, and `inbox effect release` sends them) or drop (they are only counted)"
	who := strings.Join(maySend, ", ")
	if yes {
		return &console.ExitError{Code: console.ExitDeclined, Err: inbox.Errorf(inbox.Invalid, "", "%s may send requests, and nothing says whether the replay sends them", who).WithHint(hint)}
	}
	choices := []string{string(inbox.SendEffects), string(inbox.HoldEffects), string(inbox.DropEffects)}
	word, err := p.Choose(choices, hint, "%s may send requests. Send them, hold them for `inbox effect release`, or drop them?", who)
	req.Effects = inbox.ReplayEffects(word)
	return err
}

// droppedRequests returns the number of requests that a replay dropped, a dash for none.
func droppedRequests(r api.Replay) string {
	var n int64
	for _, part := range r.Parts {
		n += part.Dropped
	}
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
