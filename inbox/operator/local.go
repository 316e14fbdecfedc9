package operator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"

	"inbox/inbox"
)

// Local is a transport that passes requests to a handler in the same process, with [Self] as the actor. Answers stream.
type Local struct{ Handler http.Handler }

// RoundTrip serves one request. It returns when the handler begins its answer. A panic before that is returned as an error with
// the stack. A panic after that is the error of reading the body.
func (l Local) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(WithActor(r.Context(), Self()))
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.RequestURI, in.RemoteAddr = in.URL.RequestURI(), "in process"
	pr, pw := io.Pipe()
	w := &pipeWriter{header: http.Header{}, pipe: pw, begun: make(chan struct{})}
	go func() {
		defer func() {
			if p := recover(); p != nil {
				w.abort(panicError(p))
			}
		}()
		l.Handler.ServeHTTP(w, in)
		w.WriteHeader(http.StatusOK)
		_ = w.flush()
		_ = pw.Close()
	}()
	<-w.begun
	if w.broken != nil {
		return nil, w.broken
	}
	return &http.Response{
		Status: http.StatusText(w.code), StatusCode: w.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: pr, ContentLength: -1, Request: r,
	}, nil
}

var errAborted = errors.New("the answer was aborted")

// panicError returns the error for a handler's panic: an aborted answer, or a fault of the program. A value that is not a
// runtime error may hold a payload, so the error names only its type.
func panicError(p any) error {
	if p == http.ErrAbortHandler {
		return errAborted
	}
	what := fmt.Sprintf("%T", p)
	var of runtime.Error
	if err, ok := p.(error); ok && errors.As(err, &of) {
		what = of.Error()
	}
	return inbox.Errorf(inbox.Internal, "", "the operator's API panicked: %s\n%s", what, debug.Stack()).
		WithHint("please report this, with the lines above")
}

// pipeWriter is the response writer of a request in the same process. It buffers writes until the buffer is large or flushed,
// as net/http does.
type pipeWriter struct {
	header http.Header
	sent   http.Header // when the answer began
	pipe   *io.PipeWriter
	begun  chan struct{}
	once   sync.Once
	code   int
	broken error // a panic before the answer began
	buffer bytes.Buffer
}

// abort ends the answer with an error. Before the answer begins, RoundTrip returns the error.
func (w *pipeWriter) abort(err error) {
	w.once.Do(func() {
		w.broken = err
		close(w.begun)
	})
	_ = w.pipe.CloseWithError(err) // never fails
}

// Header returns the headers of the answer. Changes after its beginning have no effect.
func (w *pipeWriter) Header() http.Header { return w.header }

// WriteHeader begins the answer, once.
func (w *pipeWriter) WriteHeader(code int) {
	w.once.Do(func() {
		w.code, w.sent = code, w.header.Clone()
		close(w.begun)
	})
}

// Write adds to the answer.
func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.buffer.Write(p)
	if w.buffer.Len() < 32<<10 {
		return len(p), nil
	}
	return len(p), w.flush()
}

func (w *pipeWriter) flush() error {
	_, err := w.buffer.WriteTo(w.pipe)
	return err
}

// FlushError passes on the buffer; [http.ResponseController] calls it.
func (w *pipeWriter) FlushError() error {
	w.WriteHeader(http.StatusOK)
	return w.flush()
}
