package console

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// How much of a log waits for its reader, and how long the end of a program waits for it.
const (
	logLines  = 4096
	logBytes  = 4 << 20
	logLinger = 2 * time.Second
)

// LogWriter takes the lines of a server's log. A reader that is gone, a full disk or a pipe that nobody empties costs
// lines, which are counted, and neither ends nor holds up what writes them: a webhook does not depend on its log.
type LogWriter struct {
	to     io.Writer
	lines  chan []byte
	ended  chan struct{}
	bytes  atomic.Int64 // in lines
	lost   atomic.Int64
	told   func(lost int64) // writes to the same reader, once it reads again
	mu     sync.RWMutex     // guards closed and the closing of lines
	closed bool
}

// NewLogWriter writes to a reader until Close is called. told is called from the writer's goroutine when lines are
// written again after some were lost, with their number.
func NewLogWriter(to io.Writer, told func(lost int64)) *LogWriter {
	l := &LogWriter{to: to, lines: make(chan []byte, logLines), ended: make(chan struct{}), told: told}
	go l.run()
	return l
}

// Write takes a line and never fails. After Close it writes at once.
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

// Close waits until what was taken is written, two seconds at most.
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
