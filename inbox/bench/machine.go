package bench

import (
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// Machine describes the machine of a run. Figures of different machines are hardly comparable. Its fields are the members of the
// JSON report.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"` // that Go may use
	OS          string `json:"os"`
	Kernel      string `json:"kernel"`
	Go          string `json:"go"`
	SQLite      string `json:"sqlite"` // version of the driver
	Wazero      string `json:"wazero"`
	Dir         string `json:"dir"`
	FileSystem  string `json:"file_system"`
	Synchronous string `json:"synchronous"`
	BodyBytes   int    `json:"body_bytes"`
	Valid       bool   `json:"valid"` // false if a flush does not reach a disk: then all figures are meaningless
	Why         string `json:"why,omitempty"`
}

func describe(dir string) Machine {
	m := Machine{
		CPU: cpu(), Cores: runtime.GOMAXPROCS(0), OS: runtime.GOOS + "/" + runtime.GOARCH, Kernel: kernel(), Go: runtime.Version(),
		Dir: dir, Synchronous: "FULL", BodyBytes: bodySize, Valid: true,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			switch dep.Path {
			case "modernc.org/sqlite":
				m.SQLite = dep.Path + " " + dep.Version
			case "github.com/tetratelabs/wazero":
				m.Wazero = dep.Version
			}
		}
	}
	m.FileSystem, m.Why = fileSystem(dir)
	m.Valid = m.Why == ""
	return m
}

// cpu returns the processor's name from /proc/cpuinfo, or the architecture.
func cpu() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, " \t:\n")
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
