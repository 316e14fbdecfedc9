package inboxtest

import (
	"os"
	"testing"
)

// Long skips a test that takes many seconds, unless the environment variable INBOX_LONG is set.
func Long(tb testing.TB) {
	tb.Helper()
	if os.Getenv("INBOX_LONG") == "" {
		tb.Skip("it takes long: set INBOX_LONG=1 to run it")
	}
}
