package dispatch

// swap changes the release that runs. Attempts that have not begun are taken back. Attempts that have begun end in the old
// release: its workers are closed after them. Then the lanes continue with the new release. Another release ends a hold.
func (p *loop) swap(live *Live) {
	p.recall()
	p.workers.start(live)
	if p.release.live = live; live == nil {
		return
	}
	if p.release.replace(live) && p.mem != nil && p.release.health.OnHold {
		p.release.endHold()
		p.mem.lanes.hurry()
	}
}
