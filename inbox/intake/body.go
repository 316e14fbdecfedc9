package intake

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// firstRead is how much is made ready for a body before any of it has come. A sender who only announces a large body
// takes no more room than this.
const firstRead = 32 << 10

// room bounds the bytes of bodies in memory.
type room struct{ left atomic.Int64 }

func newRoom(size int64) *room {
	r := &room{}
	r.left.Store(size)
	return r
}

// take takes n bytes, or nothing when there are not so many.
func (r *room) take(n int64) bool {
	if r.left.Add(-n) < 0 {
		r.left.Add(n)
		return false
	}
	return true
}

// body is one request's body, and the room it takes.
type body struct {
	bytes []byte
	held  int64
	room  *room
}

// reserve takes room for n bytes more.
func (b *body) reserve(n int64) bool {
	if !b.room.take(n) {
		return false
	}
	b.held += n
	return true
}

// release gives all room back. The bytes must not be used any more.
func (b *body) release() {
	b.room.left.Add(b.held)
	b.held = 0
}

// grow makes place for size bytes in all.
func (b *body) grow(size int64) bool {
	if !b.reserve(size) {
		return false
	}
	old := int64(cap(b.bytes))
	b.bytes = append(make([]byte, 0, size), b.bytes...)
	b.held -= old
	b.room.left.Add(old)
	return true
}

// errBusy says that there is no room for a body at the moment.
var errBusy = errors.New("too many bodies in memory")

// read reads a body of at most limit bytes. The errors are errBusy, errTooLarge, *http.MaxBytesError, and what comes
// from the connection.
func (d *door) read(b *body, w http.ResponseWriter, r *http.Request, limit int64) error {
	if r.ContentLength > limit {
		return errTooLarge
	}
	if r.ContentLength == 0 {
		return nil
	}
	// A server that cannot set deadlines (a test's recorder) does without.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(d.opt.ReadTimeout))
	if err := b.fill(http.MaxBytesReader(w, r.Body, limit), r.ContentLength, limit); err != nil {
		return err
	}
	_ = control.SetReadDeadline(time.Time{})
	return nil
}

// fill reads a body of the announced length, or of any up to the limit when it is negative, and takes room as it grows.
func (b *body) fill(from io.Reader, length, limit int64) error {
	most := limit + 1 // so that one byte too many is seen
	if length >= 0 {
		most = length
	}
	for size := min(most, firstRead); ; size = min(most, 2*size) {
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
		}
		if size == most {
			return nil
		}
	}
}

// nothing reports whether a body is empty, blank or an empty object: a probe, unless it has the signature of another body.
func nothing(body []byte) bool {
	text := bytes.TrimSpace(body)
	if len(text) < 2 {
		return len(text) == 0
	}
	return text[0] == '{' && text[len(text)-1] == '}' && len(bytes.TrimSpace(text[1:len(text)-1])) == 0
}
