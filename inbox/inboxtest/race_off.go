//go:build !race

package inboxtest

// Race says that the race detector is on, which makes the compiler of plugins, being Go, ten times slower.
const Race = false
