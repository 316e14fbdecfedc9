//go:build !race

package inboxtest

// Race is true when the race detector is on. It makes code written in Go, such as the compiler of plugins and SQLite, ten times
// slower.
const Race = false
