package datadir

import "log/slog"

// Secure does nothing: who may change a directory is in its access list, which it has from the one above.
func Secure(string, *slog.Logger) error { return nil }
