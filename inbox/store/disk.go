package store

import (
	"path/filepath"

	"inbox/inbox/datadir"
)

// checkDisk measures the free space and says so when it crosses the bound.
func (s *Store) checkDisk() {
	free, err := datadir.FreeBytes(s.opt.Dir)
	if err != nil {
		s.opt.Log.Debug("cannot measure the free disk space", "error", err)
		return
	}
	low := free < s.opt.MinFree
	if s.low.Swap(low) == low {
		return
	}
	if low {
		s.opt.Log.Error("little disk space is left: plugins, replays and backups wait, so that events can still be taken",
			"free_bytes", free, "min_free_bytes", s.opt.MinFree, "directory", filepath.Clean(s.opt.Dir))
	} else {
		s.opt.Log.Info("there is enough disk space again", "free_bytes", free)
	}
}
