package cli

import (
	"runtime/debug"
	"testing"
)

func TestTheVersionContainsTheRevisionOfTheBuild(t *testing.T) {
	revision := []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "182e55c644539d6012b4791fc6d7033dd72a7d48"}}
	for _, c := range []struct {
		main     string
		settings []debug.BuildSetting
		want     string
	}{
		{"v1.2.3", revision, "v1.2.3"}, {"v0.0.0-20261130214549-182e55c64453+dirty", revision, "v0.0.0-20261130214549-182e55c64453+dirty"},
		{"(devel)", revision, "devel-182e55c64453"}, {"", revision, "devel-182e55c64453"}, {"(devel)", nil, "devel"}, {"", nil, "devel"},
	} {
		if got := versionOf(&debug.BuildInfo{Main: debug.Module{Version: c.main}, Settings: c.settings}); got != c.want {
			t.Errorf("%q is %q, want %q", c.main, got, c.want)
		}
	}
}
