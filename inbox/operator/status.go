package operator

import (
	"context"
	"fmt"
	"inbox/inbox/api"
	"net/http"
	"time"

	"inbox/inbox"
)

// lateAfter is the lag above which a plugin is a reason.
const lateAfter = 5 * time.Minute

func (s *server) status(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	st, err := s.condition.Stats(ctx)
	if err != nil {
		return err
	}
	out := api.Status{
		Version: s.Version, Serving: s.Serving, Events: st.Events, LastAt: st.LastAt, Copies: st.Copies, FileBytes: st.FileBytes,
		WALBytes: st.WALBytes, FreeBytes: st.FreeBytes, Plugins: []api.Plugin{}, Replays: []api.Replay{},
		Quarantine: quarantineOf(&st.Quarantine),
	}
	plugins, err := s.plugins(ctx)
	if err != nil {
		return err
	}
	out.Plugins = append(out.Plugins, plugins...)
	jobs, err := s.replays.RunningReplays(ctx)
	if err != nil {
		return err
	}
	for i := range jobs {
		out.Replays = append(out.Replays, replayOf(&jobs[i]))
	}
	if out.Refused, err = s.refusedSince(ctx); err != nil {
		return err
	}
	if out.Effects, err = s.effectOrigins(ctx); err != nil {
		return err
	}
	out.Reasons = s.reasons(ctx, &out)
	return reply(w, out)
}

// reasons returns the reasons for an operator to look at something.
func (s *server) reasons(ctx context.Context, st *api.Status) []api.Reason {
	list := []api.Reason{}
	add := func(code, plugin, hint, format string, args ...any) {
		list = append(list, api.Reason{Code: code, Plugin: plugin, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	if err := s.condition.Ready(ctx); err != nil {
		add("store", "", inbox.HintOf(err), "the store takes no events: %s", err)
	}
	if s.condition.Low() {
		add("disk", "", "free some space, or lower min_free", "little disk space is left, %.1f GiB: plugins, replays and backups wait; webhooks are still taken", float64(st.FreeBytes)/(1<<30))
	}
	list = append(list, quarantineReasons(&st.Quarantine, s.Now(), st.LastAt)...)
	list = append(list, lostReasons(st.Refused)...)
	for i := range st.Plugins {
		list = append(list, pluginReasons(&st.Plugins[i])...)
	}
	for i := range st.Effects {
		list = append(list, s.effectReasons(&st.Effects[i])...)
	}
	list = append(list, s.manyAttempts(ctx)...)
	for _, note := range s.Control.Notes(ctx) {
		add("note", "", "", "%s", note)
	}
	return list
}

func pluginReasons(p *api.Plugin) []api.Reason {
	var list []api.Reason
	add := func(code, hint, format string, args ...any) {
		list = append(list, api.Reason{Code: code, Plugin: p.Name, Message: "plugin " + p.Name + ": " + fmt.Sprintf(format, args...), Hint: hint})
	}
	deadHint := "`inbox dead list --plugin " + p.Name + "`"
	if p.Parked > 0 {
		add("parked", deadHint, "%s parked behind a dead delivery", plural(p.Parked, "lane is", "lanes are"))
	}
	if p.Dead > p.Parked {
		add("dead", deadHint, "%s dead", plural(p.Dead, "delivery is", "deliveries are"))
	}
	if p.OnHold {
		add("on_hold", "`inbox plugin resume "+p.Name+"` once the cause is gone; it also probes by itself", "on hold: %s", p.HoldReason)
	}
	if p.Paused {
		add("paused", "`inbox plugin resume "+p.Name+"`", "paused by an operator")
	}
	list = append(list, fileReasons(p)...)
	if lag := time.Duration(p.LagSeconds * float64(time.Second)); lag > lateAfter {
		add("lag", "`inbox plugin list`", "its oldest waiting event is %s old", lag.Round(time.Second))
	}
	if p.Note != "" {
		add("note", "", "%s", p.Note)
	}
	return list
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (s *server) resumeAll(w http.ResponseWriter, r *http.Request) error {
	var req api.ActionRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	if err := s.audits.Audit(r.Context(), actor(r, req.Reason), "resume", "everything"); err != nil {
		return err
	}
	s.Control.Resume()
	if err := s.resumePaused(r, req.Reason); err != nil {
		return err
	}
	return s.status(w, r)
}

func (s *server) checkStore(w http.ResponseWriter, r *http.Request) error {
	problems, err := s.upkeep.Check(r.Context(), nil)
	if err != nil {
		return err
	}
	return reply(w, api.Check{Problems: append([]string{}, problems...)})
}
