package release

import "context"

// Look has a shelf that does not run look at the folder once.
func (s *Shelf) Look() { s.look(context.Background(), false) }
