//go:build !race

package store_test

// plays is how often a random story is played.
const plays = 40
