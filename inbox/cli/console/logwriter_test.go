package console

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reader is the reader of a log. Writes fail while it is gone, and block while it is stuck.
type reader struct {
	mu    sync.Mutex
	gone  bool
	stuck chan struct{} // closed when it reads again; nil: not stuck
	text  bytes.Buffer
}

func (r *reader) Write(line []byte) (int, error) {
	if r.stuck != nil {
		<-r.stuck
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return 0, errors.New("gone")
	}
	return r.text.Write(line)
}

func (r *reader) setGone(gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = gone
}

func TestALogReportsTheNumberOfLostLinesWhenItsReaderReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, lost := &reader{}, int64(0)
		l := NewLogWriter(r, func(n int64) { lost += n })
		write := func(text string) {
			if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
				t.Errorf("%q: %d, %v", text, n, err)
			}
			synctest.Wait()
		}
		write("a\n")
		r.setGone(true)
		write("b\n")
		write("c\n")
		r.setGone(false)
		write("d\n")
		l.Close()
		if r.text.String() != "a\nd\n" || lost != 2 {
			t.Errorf("%q, %d lines lost", &r.text, lost)
		}
		if _, err := l.Write([]byte("e\n")); err != nil || r.text.String() != "a\nd\ne\n" {
			t.Errorf("after Close: %q, %v", &r.text, err)
		}
	})
}

func TestALogWithAStuckReaderDoesNotBlockItsWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, lost := &reader{stuck: make(chan struct{})}, int64(0)
		l := NewLogWriter(r, func(n int64) { lost += n })
		line := []byte(strings.Repeat("x", 99) + "\n")
		for range 3 * logLines {
			if _, err := l.Write(line); err != nil {
				t.Fatal(err)
			}
		}
		big := make([]byte, logBytes)
		if _, err := l.Write(big); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if l.Close(); time.Since(start) > logLinger {
			t.Errorf("Close waits for %s", time.Since(start))
		}
		close(r.stuck)
		synctest.Wait()
		kept := int64(r.text.Len() / len(line))
		if kept < logLines || kept > logLines+1 || kept+lost != 3*logLines+1 {
			t.Errorf("%d lines were kept and %d lost", kept, lost)
		}
	})
}
