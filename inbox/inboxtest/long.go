package inboxtest

import (
	"os"
	"testing"
)

// LongRun reports whether the long tests run: whether the environment variable INBOX_LONG is set. .ci/run sets it.
func LongRun() bool { return os.Getenv("INBOX_LONG") != "" }

// Long skips a test that takes long, or that measures time and fails on a busy machine, unless [LongRun].
func Long(t testing.TB) {
	t.Helper()
	if !LongRun() {
		t.Skip("this test is long, or measures time: INBOX_LONG=1 runs it, and .ci/run does")
	}
}
