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

// world is the guest's clock and its random numbers. The clock moves only by a step per reading and by the guest's sleeps.
// Before the first event both are made from the release, and afterwards from the delivery, so that the same document gives the
// same result at any time on any machine. It belongs to the guest's goroutine.
type world struct {
	start  time.Time
	since  time.Duration // time since start
	uptime time.Duration // time since the instance began: it never goes back, while start does when an older event follows
	rand   *rand.ChaCha8
}

// tick is the step of the clock per reading, so that a guest that waits for the clock to move does not wait forever.
const tick = time.Microsecond

func newWorld(release string) world {
	return world{start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), rand: rand.NewChaCha8(sha256.Sum256([]byte("release " + release)))}
}

// startEvent sets the clock and the random numbers to those of a delivery.
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

// steady returns the monotonic clock.
func (w *world) steady() int64 {
	w.pass(tick)
	return int64(w.uptime)
}

// sleep takes no time: it sets the clock forward.
func (w *world) sleep(ns int64) {
	if ns > 0 {
		w.pass(min(time.Duration(ns), longSleep))
	}
}

// longSleep bounds one sleep, so that a few sleeps do not overflow the clock.
const longSleep = 365 * 24 * time.Hour

// config returns the configuration of the instance's module.
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

// stdin is a document that can be read once.
type stdin struct{ data []byte }

// Read returns the next part of the document.
func (s *stdin) Read(b []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.data)
	s.data = s.data[n:]
	return n, nil
}

// capped buffers at most limit bytes. It drops the rest and then calls over, if that is set.
type capped struct {
	limit int64
	over  func()
	buf   bytes.Buffer
	cut   bool
}

// Write never fails: a guest must not behave differently because its log is full.
func (c *capped) Write(b []byte) (int, error) {
	free := c.limit - int64(c.buf.Len())
	if int64(len(b)) <= free {
		return c.buf.Write(b)
	}
	c.buf.Write(b[:free])
	if !c.cut {
		c.cut = true
		if c.over != nil {
			c.over()
		}
	}
	return len(b), nil
}

func (c *capped) bytes() []byte { return c.buf.Bytes() }

// take returns the buffer and whether bytes were dropped, and resets both.
func (c *capped) take() ([]byte, bool) {
	b, cut := bytes.Clone(c.buf.Bytes()), c.cut
	c.buf.Reset()
	c.cut = false
	return b, cut
}
