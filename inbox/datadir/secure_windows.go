package datadir

import "log/slog"

// Secure does nothing: on Windows, a directory inherits its access list from its parent.
func Secure(string, *slog.Logger) error { return nil }
