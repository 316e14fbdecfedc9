package release

import "context"

// Reads returns the number of reads of plugin files.
func Reads(s *Loader) int64 { return s.folder.reads.Load() }

// Poll polls the folder once. The loader must not run.
func (s *Loader) Poll() { s.poll(context.Background(), false) }
