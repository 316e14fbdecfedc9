//go:build !race

package host_test

// large guests, which are those in Go, are compiled for both engines.
const large = true
