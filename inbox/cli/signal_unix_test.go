//go:build unix

package cli

import (
	"syscall"
	"testing"
	"time"
)

func TestTheSecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	at := make(chan struct{})
	ctx, stop := untilSignal(t.Context(), func() { close(at) })
	defer stop()
	for i, done := range []<-chan struct{}{ctx.Done(), at} {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatalf("signal %d did nothing", i+1)
		}
	}
}
