package cli

import (
	"testing"

	"inbox/inbox/config"
)

// settingsFor loads settings without a file, with this format of the log.
func (p *program) settingsFor(t *testing.T, format ...string) (*config.Settings, error) {
	t.Helper()
	flags := map[string]string{"data": t.TempDir()}
	for _, f := range format {
		flags["log-format"] = f
	}
	return config.Load(config.Inputs{Flags: flags, Getenv: p.getenv})
}
