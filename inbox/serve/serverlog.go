package serve

import (
	"context"
	"log"
	"log/slog"
	"strings"

	"inbox/inbox"
)

// serverLog writes the lines that net/http logs (panics, failed accepts, handshakes) to the program's log, one entry each.
type serverLog struct {
	log      *slog.Logger
	listener string
}

// newServerLog returns a log for [http.Server.ErrorLog].
func newServerLog(to *slog.Logger, listener string) *log.Logger {
	return log.New(serverLog{to, listener}, "", 0)
}

// Write logs one line. A panic has the level error. A fault of a client has the level debug.
func (s serverLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level := slog.LevelWarn
	switch {
	case strings.HasPrefix(text, "http: panic"):
		level = slog.LevelError
	case strings.HasPrefix(text, "http: TLS handshake error"), strings.HasPrefix(text, "http: URL query contains semicolon"):
		level = slog.LevelDebug
	}
	s.log.Log(context.Background(), level, "the HTTP server reports a problem", "listener", s.listener, "problem", inbox.Printable(text))
	return len(line), nil
}
