package serve

import "log/slog"

// ownData does nothing: who may change a directory is in its access list, which it has from the one above.
func ownData(string, *slog.Logger) error { return nil }
