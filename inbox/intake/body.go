package intake

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"time"
)

// body is one request's body, and its part of the budget.
type body struct {
	bytes    []byte
	budget   *budget
	from     netip.Addr // see HolderOf
	timeout  time.Duration
	deadline func(time.Time) error // of reading from the connection
	marked   int                   // len(bytes) at mark

	// guarded by budget.mu
	of      *holder
	held    int64
	mark    time.Time // the time when its last piece was complete, or when it last waited for the budget
	wants   int64     // bytes that it waits for; 0 when it waits for none
	since   time.Time // the time when it began to wait for them
	evicted bool
}

// newBody returns the empty body of a request, before it is read.
func (h *handler) newBody(w http.ResponseWriter, r *http.Request) *body {
	return &body{
		budget: h.budget, from: HolderOf(h.address(r)), timeout: h.opt.ReadTimeout, deadline: http.NewResponseController(w).SetReadDeadline,
	}
}

// reserve reserves n more bytes of the budget, and waits for them for a while.
func (b *body) reserve(n int64) bool { return b.await(func() bool { return b.budget.reserve(b, n) }) }

// await repeats get until it returns true, the body is evicted, or its time to wait is over.
func (b *body) await(get func() bool) bool {
	for end := time.Now().Add(min(budgetPatience, b.timeout/2)); !get(); time.Sleep(budgetStep) {
		if !b.budget.keepWaiting(b, end) {
			return false
		}
	}
	return true
}

// release returns all bytes to the budget. They must not be used afterwards.
func (b *body) release() { b.budget.release(b) }

// grow reserves and allocates size bytes in total.
func (b *body) grow(size int64) bool {
	if !b.reserve(size) {
		return false
	}
	old := int64(cap(b.bytes))
	b.bytes = append(make([]byte, 0, size), b.bytes...)
	b.budget.giveBack(b, old)
	return true
}

// errBusy says that the budget has no bytes or slot for a body at the moment.
var errBusy = errors.New("too many bodies in memory")

// read reads a body of at most limit bytes. It returns errBusy, errTooLarge, *http.MaxBytesError, or an error of the
// connection.
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

// fill reads a body of length bytes, or of up to limit bytes when length is negative, and reserves bytes as the body grows. For
// an announced large body it reserves all bytes at once, after its beginning arrived. If many large bodies grew in steps,
// together they could use up the budget before any of them is complete.
func (b *body) fill(from io.Reader, length, limit int64) error {
	most := limit + 1 // so that one byte too many is noticed
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

// nextSize returns the number of bytes to allocate for a body after size bytes of it arrived.
func nextSize(size, most, length int64) int64 {
	if length >= 0 && 2*size > smallBody/2 {
		return most
	}
	return min(most, 2*size)
}

// nothing reports whether a body is empty, blank or an empty object. Such a body is a probe if its signature is
// missing or right. With a wrong one it is a webhook whose body was lost.
func nothing(body []byte) bool {
	text := bytes.TrimSpace(body)
	if len(text) < 2 {
		return len(text) == 0
	}
	return text[0] == '{' && text[len(text)-1] == '}' && len(bytes.TrimSpace(text[1:len(text)-1])) == 0
}
