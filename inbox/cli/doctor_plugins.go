package cli

import (
	"inbox/inbox"
	"inbox/inbox/cli/console"
	"inbox/inbox/config"
	"inbox/inbox/release"
)

// isFileReason reports whether a reason is about a file in the plugins folder, which doctor checks itself.
func isFileReason(code string) bool { return code == "stray_file" || code == "refused_file" }

// plugins checks the permissions of the plugins folder, its plugins, and files that belong to no plugin.
func (x *checks) plugins(s *config.Settings) {
	before, n := len(x.list), 0
	if _, err := release.Guard(s.Plugins, false); err != nil {
		x.fail("plugins folder", err)
	}
	err := release.Scan(s.Plugins, 1, func(f release.Found) {
		switch {
		case f.Stray:
			x.warn("plugins folder", inbox.HintOf(f.Err), "%s", f.Err)
		case f.Err != nil:
			x.warn("plugins folder", inbox.HintOf(f.Err), "%s: %s", f.Plugin, f.Err)
		default:
			n++
		}
	})
	if err != nil {
		x.fail("plugins folder", err)
	}
	if len(x.list) == before && n > 0 {
		x.ok("plugins folder", "%s, %s", s.Plugins, console.Plural(n, "plugin", "plugins"))
	}
}
