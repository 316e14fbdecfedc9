package cli

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheMemoryLimitIsTheSmallestOfTheMachineAndTheControlGroups(t *testing.T) {
	t.Parallel()
	const total = "MemTotal:        2048 kB\nMemFree:  1 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		bytes int64
		where string
	}{
		"unknown":                 {nil, 0, ""},
		"no group":                {map[string]string{"proc/meminfo": total}, 2 << 20, "the machine"},
		"a group without a limit": {map[string]string{"proc/meminfo": total, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 2 << 20, "the machine"},
		"a group":                 {map[string]string{"proc/meminfo": total, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1048576\n"}, 1 << 20, "its control group"},
		"a group above":           {map[string]string{"proc/meminfo": total, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "4096\n", "sys/fs/cgroup/a/b/memory.max": "8192\n"}, 4096, "its control group"},
		"a group of v1":           {map[string]string{"proc/meminfo": total, "proc/self/cgroup": "5:cpu:/x\n4:memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4096\n"}, 4096, "its control group"},
		"a group of v1, all":      {map[string]string{"proc/meminfo": total, "proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 2 << 20, "the machine"},
		"nonsense":                {map[string]string{"proc/meminfo": "MemTotal: x kB\n", "proc/self/cgroup": "0\n"}, 0, ""},
	} {
		root := t.TempDir()
		for path, text := range c.files {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if bytes, where := machineMemory(root); bytes != c.bytes || where != c.where {
			t.Errorf("%s: %d of %q, want %d of %q", name, bytes, where, c.bytes, c.where)
		}
	}
}
