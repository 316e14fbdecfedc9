//go:build !linux

package bench

// fileSystem is not told here; a disk that is none is not recognised.
func fileSystem(string) (name, why string) { return "unknown", "" }
