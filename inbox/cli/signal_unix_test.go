//go:build unix

package cli

import (
	"syscall"
	"testing"
	"time"
)

// The test is not parallel: its signals would interrupt the commands of other tests.
func TestTheSecondSignalStopsAtOnce(t *testing.T) {
	at := make(chan struct{})
	ctx, stop := untilSignal(t.Context(), func() { close(at) })
	defer stop()
	for i, done := range []<-chan struct{}{ctx.Done(), at} {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatalf("signal %d had no effect", i+1)
		}
	}
}
