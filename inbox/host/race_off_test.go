//go:build !race

package host_test

// large guests, those in Go, are compiled for both engines.
const large = true
