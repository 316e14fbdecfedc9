package inboxtest

import (
	"os"
	"testing"
)

// LongRun reports whether the long tests run: the environment variable INBOX_LONG is set, as .ci/run does.
func LongRun() bool { return os.Getenv("INBOX_LONG") != "" }

// Long skips a test unless [LongRun]. It is for tests that take long, or that measure time and fail on a busy machine.
func Long(t testing.TB) {
	t.Helper()
	if !LongRun() {
		t.Skip("this test is long or measures time: it runs with INBOX_LONG=1, as in .ci/run")
	}
}
