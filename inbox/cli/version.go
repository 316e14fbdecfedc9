package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// version returns the version of the module, or the revision of its source.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return versionOf(info)
}

// versionOf returns the version in the build information. It is only "devel" in a build outside a repository or with -buildvcs=false.
func versionOf(info *debug.BuildInfo) string {
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && v == "devel" && len(s.Value) >= 12 {
			v += "-" + s.Value[:12]
		}
	}
	return v
}

func (p *program) versionCommand() *cli.Command {
	return p.leaf(spec{name: "version", usage: "print the version", formats: showFormats(), run: func(*cli.Context) error {
		if p.Format != "json" {
			return p.Print("inbox %s (%s %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		}
		return p.Document(map[string]string{"version": version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}})
}
