package api

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"inbox/inbox"
)

// AuditActions returns the deeds that are recorded, by their words in the audit log.
func AuditActions() []string {
	return []string{"reveal", "backup", "replay", "cancel", "retry", "discard", "recheck", "pause", "resume", "rollback", "remove", "set_aside"}
}

// actorForm is how the audit log names who did something: by the token, as a user of the socket, or the program itself.
var actorForm = regexp.MustCompile(`^(token|socket|inbox|uid:[0-9]{1,10})$`)

func (s *server) audit(w http.ResponseWriter, r *http.Request) error {
	p := parameters{q: r.URL.Query()}
	f := inbox.AuditFilter{
		Action: p.one("action"), Actor: p.one("actor"), Since: p.time("since"), Until: p.time("until"), Limit: int(p.number("limit")),
	}
	for name := range p.q {
		p.wrong("there is no parameter %q here", name)
	}
	if p.err != nil {
		return p.err
	}
	entries, err := s.Store.AuditLog(r.Context(), f)
	if err == nil && len(entries) == 0 {
		err = checkAudit(f)
	}
	if err != nil {
		return err
	}
	list := make([]AuditEntry, 0, len(entries))
	for _, e := range entries {
		list = append(list, AuditEntry(e))
	}
	return reply(w, list)
}

// checkAudit refuses words that no deed can have. What is found in the log needs no check: an earlier version may have
// had other words.
func checkAudit(f inbox.AuditFilter) error {
	if f.Action != "" && !slices.Contains(AuditActions(), f.Action) {
		hint := "there are: " + strings.Join(AuditActions(), ", ")
		if near := inbox.Nearest(f.Action, AuditActions()); near != "" {
			hint = "did you mean " + near + "?"
		}
		return inbox.Errorf(inbox.Invalid, "", "no action is called %q", f.Action).WithHint(hint)
	}
	if f.Actor != "" && !actorForm.MatchString(f.Actor) {
		return inbox.Errorf(inbox.Invalid, "", "no actor is called %q", f.Actor).
			WithHint("actors are token, a user of the socket by number as in uid:1000, or inbox for what the program did itself")
	}
	return nil
}
