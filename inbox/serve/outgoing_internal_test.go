package serve

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/config"
	"inbox/inbox/egress"
	"inbox/inbox/release"
)

func TestOnlyWhatConcernsTheWholeOriginHoldsIt(t *testing.T) {
	t.Parallel()
	denied := func(err error) error { return inbox.Errorf(inbox.Forbidden, "", "%w", err) }
	for _, c := range []struct {
		err   error
		want  inbox.Result
		alone bool
	}{
		{err: denied(egress.ErrNotGranted), want: inbox.Denied},
		{err: denied(egress.ErrAddress), want: inbox.Denied},
		{err: denied(egress.ErrSecret), want: inbox.Denied, alone: true},
		{err: inbox.Errorf(inbox.Unavailable, "", "%w: it is empty", egress.ErrSecret), want: inbox.Denied, alone: true},
		{err: denied(egress.ErrHeader), want: inbox.Reject},
		{err: inbox.Errorf(inbox.Forbidden, "", "%w: %w", egress.ErrRedirect, egress.ErrNotGranted), want: inbox.Retry},
		{err: inbox.Errorf(inbox.Invalid, "", "the url"), want: inbox.Reject},
		{err: inbox.Errorf(inbox.Unavailable, "", "it broke off"), want: inbox.Retry},
	} {
		if s := failed(t.Context(), c.err); s.Failure != c.want || s.Alone != c.alone || s.Why != c.err.Error() {
			t.Errorf("%v: %+v", c.err, s)
		}
	}
}

func TestWhyRequestsAreNotSent(t *testing.T) {
	t.Parallel()
	g := newOutgoing(&config.Settings{}, slog.New(slog.DiscardHandler), func(string) string { return "" }, "1")
	live := func(ca string) release.Change {
		return release.Change{Plugin: "crm", Live: &release.Live{Manifest: inbox.Manifest{HTTP: inbox.HTTP{CA: ca}}}}
	}
	gone := filepath.Join(t.TempDir(), "ca.pem")
	for _, c := range []struct {
		change release.Change
		want   string
	}{
		{change: release.Change{Plugin: "crm"}, want: "no release of the plugin is live"},
		{change: live(gone), want: "read the CA file " + gone},
		{change: live("")},
		{change: live(gone), want: "read the CA file " + gone},
		{change: release.Change{Plugin: "crm"}, want: "no release of the plugin is live"},
	} {
		g.change(c.change)
		why, hint := g.unsent("crm")
		if got := fmt.Sprint(why); !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") || (hint == "") != (got == "") {
			t.Errorf("%q, hint %q; want %q", why, hint, c.want)
		}
	}
}
