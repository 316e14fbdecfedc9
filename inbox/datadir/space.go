package datadir

import (
	"log/slog"
	"path/filepath"
	"sync/atomic"
)

// Space reports whether little disk space is left. Its methods may be called by several goroutines.
type Space struct {
	Dir     string
	MinFree uint64 // bytes below which Low reports true
	Log     *slog.Logger

	low atomic.Bool
}

// Low reports whether fewer than MinFree bytes were free when they were last measured.
func (s *Space) Low() bool { return s.low.Load() }

// Measure measures the free space and logs when it crosses MinFree. When it cannot be measured, Low keeps its last value.
func (s *Space) Measure() {
	free, err := FreeBytes(s.Dir)
	if err != nil {
		s.Log.Debug("cannot measure the free disk space", "error", err)
		return
	}
	low := free < s.MinFree
	if s.low.Swap(low) == low {
		return
	}
	if low {
		s.Log.Error("little disk space is left: plugins, replays and backups wait, so that events can still be taken",
			"free_bytes", free, "min_free_bytes", s.MinFree, "directory", filepath.Clean(s.Dir))
	} else {
		s.Log.Info("there is enough disk space again", "free_bytes", free)
	}
}
