package intake

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"time"
)

// body is one request's body, and the room it takes.
type body struct {
	bytes    []byte
	budget   *budget
	from     netip.Addr // see HolderOf
	timeout  time.Duration
	deadline func(time.Time) error // of reading from the connection
	marked   int                   // len(bytes) at mark

	// guarded by room.mu
	of      *holder
	held    int64
	mark    time.Time // when its last piece was complete, or it waited for room
	wants   int64     // bytes that it waits for, 0 when it does not wait for bytes
	since   time.Time // when it began to wait for them
	evicted bool
}

// newBody returns the body of a request, empty yet.
func (h *handler) newBody(w http.ResponseWriter, r *http.Request) *body {
	return &body{
		budget: h.budget, from: HolderOf(h.address(r)), timeout: h.opt.ReadTimeout, deadline: http.NewResponseController(w).SetReadDeadline,
	}
}

// reserve takes room for n bytes more, and waits for it a while.
func (b *body) reserve(n int64) bool { return b.await(func() bool { return b.budget.reserve(b, n) }) }

// await tries to get something of the room until it has it, has given way, or had to wait for too long.
func (b *body) await(get func() bool) bool {
	for end := time.Now().Add(min(budgetPatience, b.timeout/2)); !get(); time.Sleep(budgetStep) {
		if !b.budget.keepWaiting(b, end) {
			return false
		}
	}
	return true
}

// release gives all room back. The bytes must not be used any more.
func (b *body) release() { b.budget.release(b) }

// grow makes place for size bytes in all.
func (b *body) grow(size int64) bool {
	if !b.reserve(size) {
		return false
	}
	old := int64(cap(b.bytes))
	b.bytes = append(make([]byte, 0, size), b.bytes...)
	b.budget.giveBack(b, old)
	return true
}

// errBusy says that there is no room for a body at the moment.
var errBusy = errors.New("too many bodies in memory")

// read reads a body of at most limit bytes. The errors are errBusy, errTooLarge, *http.MaxBytesError, and what comes
// from the connection.
func (b *body) read(w http.ResponseWriter, r *http.Request, limit int64) error {
	if r.ContentLength > limit {
		return errTooLarge
	}
	if r.ContentLength == 0 {
		return nil
	}
	if !b.await(func() bool { return b.budget.startReading(b) }) {
		return errBusy
	}
	err := b.fill(http.MaxBytesReader(w, r.Body, limit), r.ContentLength, limit)
	switch evicted := b.budget.stopReading(b); {
	case evicted:
		return errBusy
	case err != nil:
		return err
	}
	_ = b.deadline(time.Time{})
	return nil
}

// fill reads a body of the announced length, or of any up to the limit when it is negative, and takes room as it grows. All
// room of an announced large body is taken at once, when its beginning has come: many that grow in steps could take all room
// together, and none would ever be whole.
func (b *body) fill(from io.Reader, length, limit int64) error {
	most := limit + 1 // so that one byte too many is seen
	if length >= 0 {
		most = length
	}
	for size := min(most, firstRead); ; size = nextSize(size, most, length) {
		if !b.grow(size) {
			return errBusy
		}
		for len(b.bytes) < cap(b.bytes) {
			n, err := from.Read(b.bytes[len(b.bytes):cap(b.bytes)])
			b.bytes = b.bytes[:len(b.bytes)+n]
			switch {
			case errors.Is(err, io.EOF) && (length < 0 || int64(len(b.bytes)) == length):
				return nil
			case err != nil:
				return err
			}
			b.budget.progressed(b)
		}
		if size == most {
			return nil
		}
	}
}

// nextSize returns how much is made ready for a body after size bytes of it have come.
func nextSize(size, most, length int64) int64 {
	if length >= 0 && 2*size > smallBody/2 {
		return most
	}
	return min(most, 2*size)
}

// nothing reports whether a body is empty, blank or an empty object: a probe, unless it has the signature of another body.
func nothing(body []byte) bool {
	text := bytes.TrimSpace(body)
	if len(text) < 2 {
		return len(text) == 0
	}
	return text[0] == '{' && text[len(text)-1] == '}' && len(bytes.TrimSpace(text[1:len(text)-1])) == 0
}
