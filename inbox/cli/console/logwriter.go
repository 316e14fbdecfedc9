package console

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of the queue of log lines, and of the time that Close waits.
const (
	logLines  = 4096
	logBytes  = 4 << 20
	logLinger = 2 * time.Second
)

// LogWriter queues the lines of a server's log for a writer. The writer fails or blocks when the reader is gone, the disk is full or a
// pipe is not read. Then LogWriter drops and counts lines. It never fails or blocks its callers, so no webhook depends on the log.
type LogWriter struct {
	to     io.Writer
	lines  chan []byte
	ended  chan struct{}
	bytes  atomic.Int64 // bytes of the queued lines
	lost   atomic.Int64
	onLoss func(lost int64) // called when lines are written again after a loss
	mu     sync.RWMutex     // guards closed and the closing of lines
	closed bool
}

// NewLogWriter returns a writer that starts a goroutine that writes the queued lines, until Close is called. When lines are written again
// after a loss, that goroutine calls onLoss with the number of lost lines.
func NewLogWriter(to io.Writer, onLoss func(lost int64)) *LogWriter {
	l := &LogWriter{to: to, lines: make(chan []byte, logLines), ended: make(chan struct{}), onLoss: onLoss}
	go l.run()
	return l
}

// Write queues a line, or drops it when the queue is full. After Close it writes the line at once. It never fails.
func (l *LogWriter) Write(line []byte) (int, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		l.writeLine(line)
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
		if l.writeLine(line) {
			if lost := l.lost.Swap(0); lost > 0 {
				l.onLoss(lost)
			}
		}
	}
}

// writeLine writes a line and reports whether that succeeded.
func (l *LogWriter) writeLine(line []byte) bool {
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
