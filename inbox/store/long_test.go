package store_test

import (
	"os"

	"inbox/inbox/inboxtest"
)

// long returns full when INBOX_LONG is set, and short otherwise. The race detector makes SQLite, which is Go here, ten times
// slower: under it, raced is returned instead of full.
func long(short, raced, full int) int {
	switch {
	case os.Getenv("INBOX_LONG") == "":
		return short
	case inboxtest.Race:
		return raced
	}
	return full
}
