package dispatch

import (
	"log/slog"
	"time"

	"inbox/inbox"
)

// release is the release of a plugin that runs, or ran last, with the state that belongs to it: the plugin's health and the
// rule that makes its lanes.
type release struct {
	link     *link
	log      *slog.Logger
	live     *Live           // nil: the plugin has no release that runs
	id       string          // of the release that runs or ran last
	manifest *inbox.Manifest // of that release
	proven   bool            // it has settled an event since it went live
	recorded string          // the release that the store was told of as running
	health   inbox.Health
	rule     inbox.LaneRule // makes the lanes
	wanted   inbox.LaneRule // the rule of the manifest
	bodies   bodies         // of the events that are routed next
}

// load takes over the plugin's record. A plugin without a stored rule gets that of its manifest.
func (r *release) load(record *inbox.PluginRecord, now time.Time) {
	r.health = record.Health
	r.health.ProbeAt = r.health.Due(now)
	r.proven = record.Proven && record.Live == r.id
	if !r.link.recorded.Load() { // the settlement that said so failed
		r.recorded = ""
	}
	r.wanted = inbox.LaneRule{Order: r.manifest.Order, By: r.manifest.KeyBy}
	if r.rule = inbox.ParseLaneRule(record.LaneRule); record.LaneRule == "" {
		r.useWantedRule()
	}
}

// replace makes live the release that runs, and reports whether it is another one than before.
func (r *release) replace(live *Live) bool {
	changed := r.id != "" && r.id != live.Release
	if r.id = live.Release; changed {
		r.proven, r.health.Streak = false, nil
	}
	r.manifest = &live.Manifest
	r.wanted = inbox.LaneRule{Order: live.Manifest.Order, By: live.Manifest.KeyBy}
	return changed
}

// forget makes the release unknown.
func (r *release) forget() { r.id, r.recorded, r.proven = "", "", false }

// useWantedRule makes the lanes by the manifest's rule from now on.
func (r *release) useWantedRule() {
	r.rule = r.wanted
	r.link.submit(&inbox.Settlement{Release: inbox.ReleaseChange{LaneRule: r.rule.String()}})
}

// route reports whether the plugin wants the event, and returns its lane. An event whose payload is damaged is wanted if its
// row matches: the attempt will report the damage.
func (r *release) route(e *inbox.Event) (bool, inbox.LaneID, error) {
	m := r.manifest
	if !m.Wants(e) {
		return false, inbox.LaneOf(e, r.rule.Order, inbox.KeyByKey, nil), nil
	}
	nowhere := func(string) (string, bool) { return "", false }
	if !r.usesBodies() {
		return true, r.rule.Lane(e, nowhere), nil
	}
	payload, err := r.bodies.payload(r.link, e.Seq)
	switch {
	case err != nil && r.link.unavailable(err):
		return false, inbox.LaneID{}, err
	case err != nil:
		return true, r.rule.Lane(e, nowhere), nil
	}
	at := inbox.Scalars(payload.Body)
	return m.Holds(at), r.rule.Lane(e, inbox.Digested(at.Text, r.link.store.LaneDigest)), nil
}

// runsAhead reports whether a worker may make attempts in a lane before the loop has settled the one before. A plugin that
// reads kv must see the writes of that one, which the store knows only once it is submitted. For one that fetches see [release.mayStart].
func (r *release) runsAhead() bool { return !r.health.OnHold && !r.live.UsesKV && !r.live.Fetches }

// mayStart reports whether a lane may start an attempt before the settlement of its last one is durable. A fetch shows the outside what
// that one wrote: state of which a crash leaves nothing must not be seen there.
func (r *release) mayStart(l *lane) bool { return !r.live.Fetches || r.link.durable(l.settled) }

// record reports whether the store knows that the live release runs, and tells the store if it does not: if the program
// crashes in the first attempt, the next start must know. No attempt starts meanwhile; the link wakes the loop.
func (r *release) record() bool {
	if r.recorded != r.id {
		r.recorded = r.id
		r.link.recorded.Store(false)
		r.link.submit(&inbox.Settlement{Release: inbox.ReleaseChange{Running: r.id}})
	}
	return r.link.recorded.Load()
}

// observe changes the plugin's health by an outcome, and returns the health of before. Outcomes of an earlier release say
// nothing of this one.
func (r *release) observe(seq int64, l inbox.LaneID, o inbox.Outcome, now time.Time) inbox.Health {
	before := r.health
	if o.Release == r.id {
		r.health = inbox.Hold(before, seq, l, o, r.manifest.Policy, now)
	}
	return before
}

// note adds to s the facts that the outcome proves about the release. Its first success proves it. A release that puts its plugin on hold
// before any success is disabled if there is one before it.
func (r *release) note(before inbox.Health, o *inbox.Outcome, s *inbox.Settlement) {
	switch {
	case o.Release != r.id || r.proven:
	case o.Result.Settled():
		r.proven, s.Release.Proven = true, r.id
	case r.health.OnHold && !before.OnHold && r.live != nil && r.live.Yields:
		s.Release.Disable = &inbox.Disable{Release: r.id, Why: "it put the plugin on hold at once: " + r.health.Reason}
	}
	if before.OnHold || r.health.OnHold { // a streak is not stored: it starts again after a restart
		r.noteHealth(before, s)
	}
}

// noteHealth adds the health to s, and logs the begin and the end of a hold.
func (r *release) noteHealth(before inbox.Health, s *inbox.Settlement) {
	h := r.health
	s.Health.Set = &h
	switch {
	case h.OnHold && !before.OnHold:
		r.log.Error("plugin is on hold: it, or a service it needs, fails; only probes run until one succeeds",
			"plugin", r.link.plugin, "result", h.Reason, "failures", len(h.Streak), "next_probe", h.ProbeAt)
	case !h.OnHold:
		r.log.Info("plugin is no longer on hold", "plugin", r.link.plugin, "probes", before.Probes)
	}
}

// endHold ends a hold without a success, after another release went live.
func (r *release) endHold() {
	r.log.Info("a new release is live; the plugin is no longer on hold", "plugin", r.link.plugin, "release", r.id)
	r.health = inbox.Health{}
	r.link.submit(&inbox.Settlement{Health: inbox.HealthChange{Set: &inbox.Health{}}})
}
