//go:build race

package store_test

// The race detector makes SQLite, which is Go here, ten times slower.
const stride = 7 // a sweep of failures goes on by; without the detector it leaves none out
