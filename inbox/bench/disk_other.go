//go:build !linux

package bench

// fileSystem is unknown here; a file system in memory is not recognised.
func fileSystem(string) (name, why string) { return "unknown", "" }
