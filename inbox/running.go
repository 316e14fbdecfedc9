package inbox

// Chosen is the answer of [Running].
type Chosen struct {
	Own       string // the plugin's own release: that of its files, or the release a rollback chose
	Release   string // the release to run; empty: none
	Pinned    bool   // a rollback chose Own
	Unpin     bool   // the rollback is over: the files have changed
	Disabled  bool   // Own is disabled; Release is its fallback
	CrashLoop bool   // Release is in a crash loop: it may run only while no other release of the loop runs
}

// Running decides which release of a plugin runs. No other place decides it. It is pure. r is the record of the plugin, file
// the release of its files, and known has the crash records of its releases. refused means that the files cannot become a
// release; callers then ask only while the plugin has no running release.
//
//	files    own release                  runs
//	good     the files' release, or the   own; when own is disabled: the live release, or the one before it
//	         pinned one while the files   when own is the live release
//	         are those that it replaced
//	refused  the files' release           live is disabled: the release before it
//	                                      live is not of these files: live
//	                                      live is of these files: none if it has settled an event, else the release
//	                                      before it
//
// A disabled release never runs: when the fallback is disabled too, no release runs. The store knows only
// one release before the live one.
func Running(r *PluginRecord, file string, refused bool, known map[string]CrashRecord) Chosen {
	c := Chosen{Own: file}
	switch {
	case refused:
		c.Release = r.lastGood(file, known)
	case r.Pinned != "" && r.PinnedOff == file:
		c.Own, c.Pinned = r.Pinned, true
	case r.Pinned != "":
		c.Unpin = true
	}
	if !refused {
		c.Release, c.Disabled = c.Own, known[c.Own].disabled()
	}
	if c.Disabled {
		c.Release = r.fallback(c.Own)
	}
	if known[c.Release].disabled() {
		c.Release = ""
	}
	chosen := known[c.Release]
	c.CrashLoop = c.Release != "" && chosen.InCrashLoop()
	return c
}

// fallback returns the release to run in place of own.
func (r *PluginRecord) fallback(own string) string {
	if r.Live == own {
		return r.Previous
	}
	return r.Live
}

// lastGood returns the release to run in place of files that were refused.
func (r *PluginRecord) lastGood(file string, known map[string]CrashRecord) string {
	switch {
	case known[r.Live].disabled():
		return r.Previous
	case r.Live != file:
		return r.Live
	case r.Proven: // the files are those of the live release, which cannot run any more
		return ""
	}
	return r.Previous
}

// disabled reports whether the release was taken out of service.
func (s CrashRecord) disabled() bool { return !s.DisabledAt.IsZero() }

// Predecessor returns the fallback of a release that replaces the running one of r; empty without one. A release that
// has settled an event is preferred to one that had no event. A release that is on hold or disabled is never returned.
func (r *PluginRecord) Predecessor(next string, disabled bool) string {
	back := r.Live
	switch {
	case r.Health.OnHold || disabled:
		return ""
	case !r.Proven && r.Previous != "":
		back = r.Previous
	}
	if back == next {
		return ""
	}
	return back
}
