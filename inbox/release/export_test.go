package release

import "context"

// Reads is how often the files of plugins were read.
func Reads(s *Loader) int64 { return s.reads.Load() }

// Look has a loader that does not run look at the folder once.
func (s *Loader) Look() { s.look(context.Background(), false) }
