package console

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of the log that waits for its reader, and of the time for which Close waits.
const (
	logLines  = 4096
	logBytes  = 4 << 20
	logLinger = 2 * time.Second
)

// LogWriter takes the lines of a server's log. When the reader is gone, the disk is full or a pipe is not emptied, it drops and
// counts lines. It never fails or blocks its callers: no webhook depends on the log.
type LogWriter struct {
	to     io.Writer
	lines  chan []byte
	ended  chan struct{}
	bytes  atomic.Int64 // in lines
	lost   atomic.Int64
	told   func(lost int64) // called once the reader reads again
	mu     sync.RWMutex     // guards closed and the closing of lines
	closed bool
}

// NewLogWriter returns a writer that writes to a reader until Close is called. told is called from the writer's goroutine with the
// number of lost lines, when lines are written again after a loss.
func NewLogWriter(to io.Writer, told func(lost int64)) *LogWriter {
	l := &LogWriter{to: to, lines: make(chan []byte, logLines), ended: make(chan struct{}), told: told}
	go l.run()
	return l
}

// Write queues a line and never fails. After Close it writes the line at once.
func (l *LogWriter) Write(line []byte) (int, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		l.put(line)
		return len(line), nil
	}
	if l.bytes.Add(int64(len(line))) <= logBytes {
		select {
		case l.lines <- append([]byte(nil), line...):
			return len(line), nil
		default:
		}
	}
	l.bytes.Add(-int64(len(line)))
	l.lost.Add(1)
	return len(line), nil
}

func (l *LogWriter) run() {
	defer close(l.ended)
	for line := range l.lines {
		l.bytes.Add(-int64(len(line)))
		if l.put(line) {
			if lost := l.lost.Swap(0); lost > 0 {
				l.told(lost)
			}
		}
	}
}

// put writes a line and reports whether it could.
func (l *LogWriter) put(line []byte) bool {
	if _, err := l.to.Write(line); err != nil {
		l.lost.Add(1)
		return false
	}
	return true
}

// Close waits until the queued lines are written, for at most two seconds.
func (l *LogWriter) Close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.lines)
	}
	l.mu.Unlock()
	select {
	case <-l.ended:
	case <-time.After(logLinger):
	}
}
