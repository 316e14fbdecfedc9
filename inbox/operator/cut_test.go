package operator_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
	"inbox/inbox/operator"
	"inbox/inbox/store"
)

// harmed is an answer that calls harm at every write.
type harmed struct {
	http.ResponseWriter
	harm func()
}

func (w *harmed) Write(b []byte) (int, error) {
	w.harm()
	return w.ResponseWriter.Write(b)
}

// TestHalfOfAListDoesNotLookComplete closes the store after the first page of a long list is written.
func TestHalfOfAListDoesNotLookComplete(t *testing.T) {
	t.Parallel()
	const piece = 1000 // events of the first page
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Create: true, Server: true, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	stop := inboxtest.Run(t, s)
	inboxtest.Fill(t, s, piece+1)
	gone := sync.OnceFunc(func() {
		stop()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	defer gone()
	handler := operator.New(operator.Options{Store: s, Control: &control{}, Sources: keys{"right"}})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(&harmed{w, gone}, r.WithContext(operator.WithActor(r.Context(), "tester")))
	}))
	defer front.Close()
	client, n := &api.Client{HTTP: front.Client(), Base: front.URL}, 0
	err = client.Events(t.Context(), inbox.Filter{}, nil, func(api.Event) error { n++; return nil })
	if inbox.KindOf(err) != inbox.Unavailable || n == 0 || n > piece {
		t.Errorf("after %d events: %v (%s)", n, err, inbox.KindOf(err))
	}
}
