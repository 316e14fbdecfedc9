//go:build race

package store_test

// plays is how often a random story is played: the race detector makes SQLite slow.
const plays = 5
