package serve

import (
	"log/slog"
	"strings"

	"inbox/inbox"
)

// shownLines is how many lines of an attempt's log a server for authors shows; `inbox event show ID --reveal` shows all.
const shownLines = 200

// showAttempts returns an observer that writes what a plugin said into the server's log: the lines of each attempt's log
// and its reason. They may hold anything that the plugin was given, so only `inbox serve --dev` does it.
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
