package operator_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"inbox/inbox/operator"
)

func TestOnALoopbackAddressOnlyLoopbackNamesAreAnswered(t *testing.T) {
	t.Parallel()
	h := operator.LoopbackNames("inbox.internal", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8081": 200, "LOCALHOST.:8081": 200, "inbox.localhost": 200, "127.0.0.1:8081": 200, "127.8.8.8": 200, "[::1]:8081": 200, "[::1]": 200,
		"[::ffff:127.0.0.1]:1": 200, "inbox.internal:8081": 200, "": 200,
		"evil.example": 403, "evil.example:8081": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "0.0.0.0:8081": 403, "10.0.0.1": 403,
		"[fe80::1]": 403, "xlocalhost": 403, "2130706433": 403, "localhost:8081:1": 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q is answered %d, not %d", host, w.Code, want)
		}
	}
}
