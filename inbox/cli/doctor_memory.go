package cli

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"inbox/inbox/cli/console"
	"inbox/inbox/config"
	"inbox/inbox/serve"
)

// memory compares the maximum memory of the program and its plugins with the memory of the machine.
func (x *checks) memory(s *config.Settings, events int64) {
	parts, skipped, err := serve.Memory(s, events)
	if err != nil {
		x.fail("memory", err)
		return
	}
	total := int64(0)
	for _, p := range parts {
		total += p.Bytes
	}
	most := console.Bytes(total) + " at most"
	if len(skipped) > 0 {
		most += ", without plugins that cannot be read (" + strings.Join(skipped, ", ") + ")"
	}
	available, where := machineMemory("/")
	switch {
	case available == 0:
		x.ok("memory", "%s; the memory of the machine is unknown", most)
	case total > available:
		x.warn("memory", "the maximum is reached only if every plugin uses all its memory: lower concurrency or limits.memory in a NAME.toml, or add memory",
			"%s, more than the %s of %s", most, console.Bytes(available), where)
	default:
		x.ok("memory", "%s, of the %s of %s", most, console.Bytes(available), where)
	}
	x.list[len(x.list)-1].Parts = parts
}

// machineMemory returns the bytes of memory that Linux lets this process use, and the origin of that limit: the machine, or a control
// group, as for containers. It returns zero when the limit is unknown.
func machineMemory(root string) (bytes int64, where string) {
	bytes, where = math.MaxInt64, "the machine"
	info, _ := os.ReadFile(filepath.Join(root, "proc/meminfo")) // other systems do not have it
	for line := range strings.Lines(string(info)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
			if n, err := strconv.ParseInt(f[1], 10, 54); err == nil {
				bytes = n << 10
			}
		}
	}
	for _, file := range cgroupLimitFiles(root) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// "max" means no limit, and does not parse. Version 1 writes a very large number instead.
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n < bytes {
			bytes, where = n, "its control group"
		}
	}
	if bytes == math.MaxInt64 {
		return 0, ""
	}
	return bytes, where
}

// cgroupLimitFiles returns the files that may contain memory limits of the process's control group and of the groups above it.
func cgroupLimitFiles(root string) (files []string) {
	text, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		base, name := "sys/fs/cgroup", "memory.max"
		switch {
		case f[1] == "memory": // version 1
			base, name = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case f[1] != "":
			continue
		}
		for dir := filepath.Clean("/" + f[2]); ; dir = filepath.Dir(dir) {
			files = append(files, filepath.Join(root, base, dir, name))
			if dir == "/" {
				break
			}
		}
	}
	return files
}
