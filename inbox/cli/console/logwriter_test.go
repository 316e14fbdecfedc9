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

// reader is the reader of a log. While it is gone, writes fail; while it is stuck, writes block.
type reader struct {
	mu    sync.Mutex
	gone  bool
	stuck chan struct{}
	got   bytes.Buffer
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
	return r.got.Write(line)
}

func (r *reader) leave(gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = gone
}

func TestALogReportsTheNumberOfLostLinesWhenItsReaderIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, told := &reader{}, int64(0)
		l := NewLogWriter(r, func(n int64) { told += n })
		write := func(text string) {
			if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
				t.Errorf("%q: %d, %v", text, n, err)
			}
			synctest.Wait()
		}
		write("a\n")
		r.leave(true)
		write("b\n")
		write("c\n")
		r.leave(false)
		write("d\n")
		l.Close()
		if r.got.String() != "a\nd\n" || told != 2 {
			t.Errorf("%q, %d lines lost", &r.got, told)
		}
		if _, err := l.Write([]byte("e\n")); err != nil || r.got.String() != "a\nd\ne\n" {
			t.Errorf("after its end: %q, %v", &r.got, err)
		}
	})
}

func TestALogWithAStuckReaderBlocksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, told := &reader{stuck: make(chan struct{})}, int64(0)
		l := NewLogWriter(r, func(n int64) { told += n })
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
		began := time.Now()
		if l.Close(); time.Since(began) > logLinger {
			t.Errorf("the end waits for %s", time.Since(began))
		}
		close(r.stuck)
		synctest.Wait()
		kept := int64(r.got.Len() / len(line))
		if kept < logLines || kept > logLines+1 || kept+told != 3*logLines+1 {
			t.Errorf("%d lines were kept and %d lost", kept, told)
		}
	})
}
