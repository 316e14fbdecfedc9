//go:build race

package host_test

// The race detector makes the compiler, which is Go here, ten times slower: it is spared the guests in Go.
const large = false
