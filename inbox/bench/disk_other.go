//go:build !linux

package bench

// fileSystem returns "unknown" on this system. It does not recognise a file system in memory.
func fileSystem(string) (name, why string) { return "unknown", "" }
