package intake

// turn waits until a body of that size may be checked, and returns what ends the turn. Small ones may at once. Large ones
// take turns on half of the processors, so that strangers who send nothing else do not keep the others waiting.
func (d *door) turn(size int) (end func()) {
	if size <= largeBody {
		return func() {}
	}
	d.large <- struct{}{}
	return func() { <-d.large }
}
