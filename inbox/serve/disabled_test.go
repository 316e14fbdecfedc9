package serve_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
	"inbox/inbox/serve"
)

// A release that fails at once, for several keys and before any success, is disabled and its fallback runs.
func TestAReleaseThatFailsAtOnceIsReplacedByItsFallback(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at, c, stop := startServer(t, serve.Options{}, map[string]string{"data": dir}, map[string]string{"INBOX_QOREID_SECRET": secret})
	defer stop()
	sent := 0
	send := func(n int) {
		for range n {
			sent++
			post(t, "http://"+at.Webhooks+"/webhooks/qoreid", addressBody(sent), secret, 200, "stored")
		}
	}
	until := func(condition string, ok func(p *api.Plugin) bool) (p api.Plugin) {
		t.Helper()
		inboxtest.Eventually(t, condition, func() bool {
			all, err := c.Plugins(t.Context())
			if err != nil || len(all) != 1 {
				return false
			}
			p = all[0]
			return ok(&p)
		})
		return p
	}
	settled := func(p *api.Plugin) bool { return !p.OnHold && p.Cursor == int64(sent) && p.Retrying+p.Ready == 0 }
	const manifest = "start_from = \"start\"\n[retry]\nbase = \"10s\"\n"
	install(t, dir, "p.toml", manifest)
	install(t, dir, "p.wasm", guest(t, "trap"))
	send(6)
	first := until("the first release is on hold, since it has no fallback", func(p *api.Plugin) bool { return p.OnHold })
	if first.Disabled != "" || first.State != inbox.FileLive {
		t.Errorf("the only release was disabled: %+v", first)
	}
	install(t, dir, "p.wasm", guest(t, "ok"))
	good := until("a correct release ends the hold", settled)
	install(t, dir, "p.wasm", guest(t, "exit_1"))
	until("another release is live", func(p *api.Plugin) bool { return p.State == inbox.FileLive && p.Live != good.Live })
	send(6)
	back := until("the fallback settles the events that failed", func(p *api.Plugin) bool { return p.State == inbox.FileDisabled && settled(p) })
	if back.Live != good.Live || back.Disabled != back.File || back.Dead > 0 || !strings.Contains(back.Error, "on hold at once: exit") || back.Hint == "" {
		t.Errorf("%+v", back)
	}
	st, err := c.Status(t.Context())
	if err != nil || !slices.ContainsFunc(st.Reasons, func(r api.Reason) bool { return r.Code == "disabled" }) {
		t.Errorf("the status does not report it: %+v, %v", st.Reasons, err)
	}
	install(t, dir, "p.wasm", guest(t, "exit_1")) // the disabled release again
	send(1)
	if p := until("a disabled release stays disabled", settled); p.State != inbox.FileDisabled || p.Live != good.Live {
		t.Errorf("%+v", p)
	}
	if _, err := c.Act(t.Context(), "p", "resume", api.ActionRequest{Reason: "a test"}); err != nil {
		t.Fatal(err)
	}
	until("the release is resumed", func(p *api.Plugin) bool { return p.State == inbox.FileLive && p.Live == back.File })
	send(6)
	until("it fails again", func(p *api.Plugin) bool { return p.State == inbox.FileDisabled && settled(p) })
	install(t, dir, "p.wasm", guest(t, "session_ok"))
	send(1)
	if p := until("another file is another release", func(p *api.Plugin) bool { return p.State == inbox.FileLive && settled(p) }); p.Disabled != "" || p.Live == good.Live {
		t.Errorf("%+v", p)
	}
	log, err := c.Audit(t.Context(), inbox.AuditFilter{Action: "disabled"})
	if err != nil || len(log) != 2 {
		t.Errorf("the audit log has %+v, %v", log, err)
	}
}

func addressBody(n int) string {
	return fmt.Sprintf(`{"event":"address","event_type":"verification_started","data":{"id":%d}}`, n)
}
