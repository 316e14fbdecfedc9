package operator

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"inbox/inbox"
	"inbox/inbox/api"
)

// actorForm matches the actors of the audit log: the token of the file, another token, a user of the socket, or the program itself.
var actorForm = regexp.MustCompile(`^(token|token:[a-z0-9][a-z0-9_-]*|socket|inbox|uid:[0-9]{1,10})$`)

func (s *server) audit(w http.ResponseWriter, r *http.Request) error {
	f, err := api.ParseAudit(r.URL.Query())
	if err != nil {
		return err
	}
	entries, err := s.audits.AuditLog(r.Context(), f)
	if err == nil && len(entries) == 0 {
		err = checkAudit(f)
	}
	if err != nil {
		return err
	}
	list := make([]api.AuditEntry, 0, len(entries))
	for _, e := range entries {
		list = append(list, api.AuditEntry(e))
	}
	return reply(w, list)
}

// checkAudit rejects actions and actors that no entry can have. It runs only when the log has no match, because an earlier
// version may have written other words.
func checkAudit(f inbox.AuditFilter) error {
	if f.Action != "" && !slices.Contains(api.AuditActions(), f.Action) {
		hint := "there are: " + strings.Join(api.AuditActions(), ", ")
		if near := inbox.Nearest(f.Action, api.AuditActions()); near != "" {
			hint = "did you mean " + near + "?"
		}
		return inbox.Errorf(inbox.Invalid, "", "no action is called %q", f.Action).WithHint(hint)
	}
	if f.Actor != "" && !actorForm.MatchString(f.Actor) {
		return inbox.Errorf(inbox.Invalid, "", "no actor is called %q", f.Actor).
			WithHint("actors are token, another token as in token:NAME, a user of the socket by number as in uid:1000, or inbox for what the program did itself")
	}
	return nil
}
