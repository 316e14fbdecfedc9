package serve

import (
	"log/slog"
	"strings"

	"inbox/inbox"
)

// shownLines bounds the lines of an attempt's log that `inbox serve --dev` shows. `inbox event show ID --reveal` shows all.
const shownLines = 200

// showAttempts returns an observer that writes each attempt's log and reason to the server's log. They may contain any part of a
// payload, so only `inbox serve --dev` uses it.
func showAttempts(log *slog.Logger) func(*inbox.Event, *inbox.Attempt) {
	return func(e *inbox.Event, a *inbox.Attempt) {
		about := []any{"plugin", a.Plugin, "event", e.ID, "seq", e.Seq, "attempt", a.Number}
		n := 0
		for line := range strings.Lines(string(a.Log)) {
			if n++; n > shownLines {
				log.Info("| …", append(about, "cut", "true")...)
				break
			}
			log.Info("| "+inbox.Printable(strings.TrimRight(line, "\r\n")), about...)
		}
		if a.LogCut {
			log.Info("| (the host cut the log here)", about...)
		}
		if a.Reason != "" {
			log.Info("reason: "+inbox.Printable(a.Reason), append(about, "result", string(a.Result))...)
		}
	}
}
