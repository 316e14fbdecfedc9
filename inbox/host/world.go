package host

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/sys"
)

// world is what a guest sees of the world: a clock that stands still but for a step per look and for its own sleeps,
// and random numbers. Both are made from the release before the first event and from the delivery after it, so that
// the same document gives the same result whenever and wherever it runs. It belongs to the guest's goroutine.
type world struct {
	start  time.Time
	since  time.Duration // since start
	uptime time.Duration // since the instance began: it never goes back, as start does from one event to an older one
	rand   *rand.ChaCha8
}

// tick is how far the clock goes on at each look, so that a guest that waits for it to move does not wait for ever.
const tick = time.Microsecond

func newWorld(release string) world {
	return world{start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), rand: rand.NewChaCha8(sha256.Sum256([]byte("release " + release)))}
}

// turn makes the world that of a delivery.
func (w *world) startEvent(c Call) {
	w.start, w.since = c.ReceivedAt, 0
	w.rand.Seed(sha256.Sum256([]byte("delivery " + c.Seed)))
}

func (w *world) pass(d time.Duration) {
	w.since += d
	w.uptime += d
}

func (w *world) wall() (int64, int32) {
	w.pass(tick)
	now := w.start.Add(w.since)
	return now.Unix(), int32(now.Nanosecond())
}

// steady is the monotonic clock.
func (w *world) steady() int64 {
	w.pass(tick)
	return int64(w.uptime)
}

// sleep costs no time: the clock is set forward.
func (w *world) sleep(ns int64) {
	if ns > 0 {
		w.pass(min(time.Duration(ns), longSleep))
	}
}

// longSleep bounds one sleep, so that a few of them do not take the clock past its end.
const longSleep = 365 * 24 * time.Hour

// config is how the instance's module is set up.
func (in *instance) config() wazero.ModuleConfig {
	out := io.Writer(&in.output)
	if in.p.info.Kind == Session {
		out = &in.log
	}
	return wazero.NewModuleConfig().WithName("").WithArgs("plugin").
		WithStdin(&in.stdin).WithStdout(out).WithStderr(&in.log).
		WithWalltime(in.world.wall, sys.ClockResolution(time.Microsecond)).
		WithNanotime(in.world.steady, sys.ClockResolution(time.Microsecond)).
		WithNanosleep(in.world.sleep).
		WithRandSource(in.world.rand)
}

// stdin is a document to be read once.
type stdin struct{ data []byte }

// Read gives the rest of the document.
func (s *stdin) Read(b []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.data)
	s.data = s.data[n:]
	return n, nil
}

// capped keeps what is written to it up to a limit. What exceeds it is dropped; over, if set, is called then.
type capped struct {
	limit int64
	over  func()
	buf   bytes.Buffer
	cut   bool
}

// Write never fails: a guest must not behave differently because its log is full.
func (c *capped) Write(b []byte) (int, error) {
	room := c.limit - int64(c.buf.Len())
	if int64(len(b)) <= room {
		return c.buf.Write(b)
	}
	c.buf.Write(b[:room])
	if !c.cut {
		c.cut = true
		if c.over != nil {
			c.over()
		}
	}
	return len(b), nil
}

func (c *capped) bytes() []byte { return c.buf.Bytes() }

// take returns what was written and whether some was dropped, and begins anew.
func (c *capped) take() ([]byte, bool) {
	b, cut := bytes.Clone(c.buf.Bytes()), c.cut
	c.buf.Reset()
	c.cut = false
	return b, cut
}
