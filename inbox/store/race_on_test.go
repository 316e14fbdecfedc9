//go:build race

package store_test

// stride is how many failures a sweep leaves out between two. The race detector makes SQLite, which is Go here, ten
// times slower; the sweeps without it leave out none.
const stride = 7
