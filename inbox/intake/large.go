package intake

// startCheck waits until the signature of a body of size bytes may be checked. The caller must call end after the check. Small
// bodies never wait. Large ones share half of the processors, so that strangers who send only large bodies do not delay others.
func (h *handler) startCheck(size int) (end func()) {
	if size <= largeBody {
		return func() {}
	}
	h.large <- struct{}{}
	return func() { <-h.large }
}
