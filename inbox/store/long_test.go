package store_test

import (
	"os"

	"inbox/inbox/inboxtest"
)

// long returns full when INBOX_LONG is set, and short otherwise. Under the race detector it returns raced instead of full, because
// the race detector makes SQLite, which is compiled to Go, ten times slower.
func long(short, raced, full int) int {
	switch {
	case os.Getenv("INBOX_LONG") == "":
		return short
	case inboxtest.Race:
		return raced
	}
	return full
}
