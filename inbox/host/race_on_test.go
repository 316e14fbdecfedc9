//go:build race

package host_test

// The race detector makes wazero's compiler, which is Go, ten times slower, so large guests are left out.
const large = false
