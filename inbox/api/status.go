package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"inbox/inbox"
)

// lateAfter is the lag from which a plugin is a reason to look.
const lateAfter = 5 * time.Minute

func (s *server) status(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	st, err := s.Store.Stats(ctx)
	if err != nil {
		return err
	}
	out := Status{
		Version: s.Version, Serving: s.Serving, Events: st.Events, LastAt: st.LastAt, Copies: st.Copies, FileBytes: st.FileBytes,
		WALBytes: st.WALBytes, FreeBytes: st.FreeBytes, Plugins: []Plugin{}, Replays: []Replay{},
		Quarantine: Quarantine{Count: st.Quarantine.Count, Bytes: st.Quarantine.Bytes, Dropped: st.Quarantine.Dropped, Oldest: st.Quarantine.Oldest},
	}
	plugins, err := s.plugins(ctx)
	if err != nil {
		return err
	}
	out.Plugins = append(out.Plugins, plugins...)
	jobs, err := s.Store.RunningJobs(ctx)
	if err != nil {
		return err
	}
	for i := range jobs {
		out.Replays = append(out.Replays, replayOf(&jobs[i]))
	}
	out.Reasons = s.reasons(ctx, &out)
	return reply(w, out)
}

// reasons returns everything that wants to be looked at.
func (s *server) reasons(ctx context.Context, st *Status) []Reason {
	list := []Reason{}
	add := func(code, plugin, hint, format string, args ...any) {
		list = append(list, Reason{Code: code, Plugin: plugin, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	if err := s.Store.Ready(ctx); err != nil {
		add("store", "", inbox.HintOf(err), "the store takes no events: %s", err)
	}
	if s.Store.Low() {
		add("disk", "", "free some space, or lower min_free", "little disk space is left, %.1f GiB: plugins, replays and backups wait; webhooks are still taken", float64(st.FreeBytes)/(1<<30))
	}
	if n := st.Quarantine.Count; n > 0 {
		add("quarantine", "", "`inbox secret check` says why", "%s in the quarantine", plural(n, "request is", "requests are"))
	}
	for i := range st.Plugins {
		list = append(list, st.Plugins[i].reasons()...)
	}
	for _, note := range s.House.Notes(ctx) {
		add("note", "", "", "%s", note)
	}
	return list
}

func (p *Plugin) reasons() []Reason {
	var list []Reason
	add := func(code, hint, format string, args ...any) {
		list = append(list, Reason{Code: code, Plugin: p.Name, Message: "plugin " + p.Name + ": " + fmt.Sprintf(format, args...), Hint: hint})
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
	if p.State == FileRefused {
		add("refused_file", p.Hint, "its file was refused: %s", p.Error)
	}
	if p.SetAside != "" {
		why := p.Error
		if !strings.Contains(why, p.SetAside) { // it says why another was refused
			why = "release " + p.SetAside + " is set aside"
		}
		add("set_aside", "mend it and drop it in again; or `inbox plugin resume "+p.Name+"` brings it back", "%s", why)
	}
	if p.State == FileSuspect {
		add("suspect", "wait: within seconds it has its turn", "%s", p.Error)
	}
	if p.State == FileAbsent && p.Behind > 0 {
		add("absent", "put its .wasm file back into the plugins folder", "its file is gone and %s", plural(p.Behind, "event waits", "events wait"))
	}
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
	var req Deed
	if err := read(w, r, &req); err != nil {
		return err
	}
	if err := s.Store.Audit(r.Context(), actor(r, req.Reason), "resume", "everything"); err != nil {
		return err
	}
	s.House.Resume()
	if err := s.resumePaused(r, req.Reason); err != nil {
		return err
	}
	return s.status(w, r)
}

func (s *server) listQuarantine(w http.ResponseWriter, r *http.Request) error {
	limit, err := number(r, "limit", 100)
	if err != nil {
		return err
	}
	ctx, source := r.Context(), r.URL.Query().Get("source")
	refused, err := s.Store.RefusedList(ctx, source, limit)
	if err != nil {
		return err
	}
	explained := map[int64]string{}
	if yes(r, "explain") {
		err := s.Store.EachRefused(ctx, source, func(one *inbox.Refused) error {
			if slices.ContainsFunc(refused, func(x inbox.Refused) bool { return x.ID == one.ID }) {
				explained[one.ID] = s.Sources.Explain(one)
				if explained[one.ID] == "" {
					explained[one.ID] = "it passes now: `inbox secret recheck` lets it in"
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	list := make([]Refused, 0, len(refused))
	for i := range refused {
		list = append(list, refusedOf(&refused[i], explained[refused[i].ID]))
	}
	return reply(w, list)
}

// recheck checks the quarantine again, in the order it came, and lets in what passes now.
func (s *server) recheck(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var req RecheckRequest
	if err := read(w, r, &req); err != nil {
		return err
	}
	out := Rechecked{DryRun: req.DryRun, Kept: map[string]int64{}, IDs: []string{}, Failed: []Failure{}}
	if !req.DryRun {
		if err := s.Store.Audit(ctx, actor(r, req.Reason), "recheck", strings.TrimSpace("quarantine "+req.Source)); err != nil {
			return err
		}
	}
	err := s.Store.EachRefused(ctx, req.Source, func(one *inbox.Refused) error {
		out.Checked++
		a, why, err := s.Sources.Vouch(one)
		switch {
		case err != nil:
			out.Failed = append(out.Failed, Failure{ID: fmt.Sprint(one.ID), Error: err.Error()})
		case why != "":
			out.Kept[why]++
		case req.DryRun:
			out.Admitted++
		default:
			s.readmit(ctx, one.ID, a, &out)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	return reply(w, out)
}

func (s *server) readmit(ctx context.Context, id int64, a *inbox.Arrival, out *Rechecked) {
	receipt, err := s.Store.Readmit(ctx, id, a)
	switch {
	case err != nil:
		out.Failed = append(out.Failed, Failure{ID: fmt.Sprint(id), Error: err.Error()})
	case receipt.Status == inbox.Duplicate:
		out.Duplicates++
	default:
		out.Admitted++
		out.IDs = append(out.IDs, receipt.ID)
	}
}

func (s *server) checkStore(w http.ResponseWriter, r *http.Request) error {
	problems, err := s.Store.Check(r.Context(), nil)
	if err != nil {
		return err
	}
	return reply(w, Check{Problems: append([]string{}, problems...)})
}
