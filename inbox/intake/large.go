package intake

// turn waits until a body of that size may be checked, and returns what ends the turn. Small ones may at once. Large ones
// take turns on half of the processors, so that strangers who send nothing else do not keep the others waiting.
func (h *handler) startCheck(size int) (end func()) {
	if size <= largeBody {
		return func() {}
	}
	h.large <- struct{}{}
	return func() { <-h.large }
}
