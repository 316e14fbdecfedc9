package egress_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/egress"
)

func TestARequestArrivesAsItWasAskedFor(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "7")
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("X-Internal", "no")
		w.Header().Add("Link", "<a>")
		w.Header().Add("Link", "<b>")
		w.Header().Set("Etag", strings.Repeat("x", 3000))
		w.Header().Set("Date", "then")
		w.WriteHeader(201)
		_, _ = io.WriteString(w, `{"id":1}`)
	})
	c := client(t, egress.Options{UserAgent: "inbox/1"}, url)
	call := post(url+"/a%2Fb/ü?q=1#frag", `{"x":1}`, inbox.Header{Name: "content-type", Value: "application/json"},
		inbox.Header{Name: "X-Many", Value: "1"}, inbox.Header{Name: "x-many", Value: "2"})
	call.Request.URL = strings.Replace(call.Request.URL, "ü", "%C3%BC", 1)
	call.IdempotencyKey = "key-1"
	r := do(t, c, call)
	if got.Method != "POST" || got.RequestURI != "/a%2Fb/%C3%BC?q=1" || string(body) != `{"x":1}` || got.ContentLength != 7 {
		t.Errorf("%s %s %q", got.Method, got.RequestURI, body)
	}
	want := http.Header{
		"User-Agent": {"inbox/1"}, "Accept-Encoding": {"identity"}, "Content-Type": {"application/json"}, "X-Many": {"1", "2"},
		"Idempotency-Key": {"key-1"}, "Content-Length": {"7"},
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Error(diff)
	}
	if r.Duration <= 0 {
		t.Error("no duration")
	}
	r.Duration = 0
	if diff := cmp.Diff(&inbox.Response{Status: 201, Headers: []inbox.Header{
		{Name: "content-type", Value: "application/json"}, {Name: "date", Value: "then"}, {Name: "link", Value: "<a>"}, {Name: "link", Value: "<b>"},
		{Name: "retry-after", Value: "7"},
	}, Body: []byte(`{"id":1}`), Family: "ipv4"}, r); diff != "" {
		t.Error(diff)
	}
}

func TestKeptHeadersAreSortedAndFoundInAResponse(t *testing.T) {
	t.Parallel()
	if !slices.IsSorted(egress.KeptHeaders) {
		t.Error("they are not sorted")
	}
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range egress.KeptHeaders {
			w.Header().Set(strings.ToLower(name), "1")
		}
	})
	r := do(t, client(t, egress.Options{}, url), get(url))
	if len(r.Headers) != len(egress.KeptHeaders) {
		t.Errorf("kept %v", r.Headers)
	}
	for _, h := range r.Headers {
		if h.Name != strings.ToLower(h.Name) || strings.Contains(h.Name, "cookie") {
			t.Error(h.Name)
		}
	}
}

func TestEveryMethodOfTheListIsSentAndNoOther(t *testing.T) {
	t.Parallel()
	var got string
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Method })
	c := client(t, egress.Options{}, url)
	for _, method := range egress.Methods() {
		if r := do(t, c, egress.Call{Request: inbox.Request{Method: method, URL: url}}); r.Status != 200 || got != method {
			t.Errorf("%s: %d %s", method, r.Status, got)
		}
	}
	for _, method := range []string{"", "get", "CONNECT", "TRACE", "OPTIONS", "GET /x HTTP/1.1\r\nX: y", "PO ST"} {
		fails(t, c, egress.Call{Request: inbox.Request{Method: method, URL: url}}, inbox.Invalid, nil, "method")
	}
	for _, method := range []string{"GET", "HEAD"} {
		fails(t, c, egress.Call{Request: inbox.Request{Method: method, URL: url, Body: []byte("x")}}, inbox.Invalid, nil, "has a body")
	}
}

func TestAnEmptyPostSaysThatItIsEmpty(t *testing.T) {
	t.Parallel()
	var length string
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { length = r.Header.Get("Content-Length") })
	do(t, client(t, egress.Options{}, url), post(url, ""))
	if length != "0" {
		t.Errorf("Content-Length %q", length)
	}
}

func TestUrlsThatCannotBeSentAreInvalidAndNeverShown(t *testing.T) {
	t.Parallel()
	c := client(t, egress.Options{}, "http://localhost:9000")
	const secret = "s3cretvalue"
	for _, url := range []string{
		"", "/path?" + secret, "localhost:9000", "//localhost:9000/" + secret, "http:localhost?" + secret, "http://localhost:9000/ " + secret,
		"http://localhost:9000/\r\nX:" + secret, "http://localhost:9000/\x00" + secret, "http://localhost:9000/ü" + secret, `http://localhost:9000\` + secret,
		"http://me:" + secret + "@localhost:9000/", "http://" + secret + "@localhost:9000/", "http://localhost:9000/%zz" + secret, "ftp://localhost:9000/" + secret,
		"http://0x7f.1:9000/" + secret, "http://2130706433:9000/?" + secret, "http://0177.0.0.1:9000/" + secret, "http://127.1:9000/?" + secret,
		"http://[::ffff:127.0.0.1]:9000/" + secret, "http://[::1%25lo]:9000/" + secret, "http://localhost:09000/" + secret,
		"http://localhost:9000/" + strings.Repeat("x", 9000) + secret,
	} {
		err := fails(t, c, get(url), inbox.Invalid, nil, "url")
		if strings.Contains(err.Error()+inbox.HintOf(err), secret) {
			t.Errorf("%v shows the url", err)
		}
	}
	for _, url := range []string{"http://127.0.0.1:9000", "http://localhost.:9001", "http://localhost.evil.test:9000", "https://localhost:9000"} {
		fails(t, c, get(url+"/?"+secret), inbox.Forbidden, egress.ErrNotGranted, "is not granted")
	}
}

func TestABodyOverTheLimitIsNotSent(t *testing.T) {
	t.Parallel()
	url, count := serve(t, answer(""))
	c := client(t, egress.Options{Limits: egress.Limits{RequestBody: 10}}, url)
	do(t, c, post(url, "1234567890"))
	fails(t, c, post(url, "12345678901"), inbox.Invalid, nil, "11 bytes, more than 10")
	if count() != 1 {
		t.Errorf("%d requests", count())
	}
}

func TestAResponseBodyIsCutAtTheLimitAndMarked(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), int(r.URL.Path[1]-'0')))
	})
	c := client(t, egress.Options{Limits: egress.Limits{ResponseBody: 5}}, url)
	for path, want := range map[string]bool{"/0": false, "/4": false, "/5": false, "/6": true, "/9": true} {
		r := do(t, c, get(url+path))
		if r.Cut != want || len(r.Body) != min(5, int(path[1]-'0')) {
			t.Errorf("%s: %d bytes, cut %v", path, len(r.Body), r.Cut)
		}
	}
}

func TestACompressedBodyStaysCompressed(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "not even gzip, "+r.Header.Get("Accept-Encoding"))
	})
	c := client(t, egress.Options{}, url)
	r := do(t, c, get(url))
	if string(r.Body) != "not even gzip, identity" || inbox.HeaderValue(r.Headers, "content-encoding") != "gzip" {
		t.Errorf("%q %v", r.Body, r.Headers)
	}
	call := get(url)
	call.Request.Headers = []inbox.Header{{Name: "Accept-Encoding", Value: "gzip"}}
	if r := do(t, c, call); string(r.Body) != "not even gzip, gzip" {
		t.Errorf("%q", r.Body)
	}
}

func TestACallerThatGivesUpIsToldApartFromAReceiverThatIsSlow(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		hang(r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	_, err := client(t, egress.Options{}, url).Do(ctx, post(url, "x"))
	if inbox.KindOf(err) != inbox.Unavailable || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAnAnswerOverIPv6SaysSo(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: answer("six")}}
	s.Start()
	defer s.Close()
	if r := do(t, client(t, egress.Options{}, s.URL), get(s.URL)); r.Family != "ipv6" || string(r.Body) != "six" {
		t.Errorf("%+v", r)
	}
}

// The receiver answers the first request of its first connection, and closes that connection upon the second.
func TestARequestOnAConnectionThatWasClosedIsSentAgainOnlyWithAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{"key": true, "": false} {
		var mu sync.Mutex
		connections := 0
		url := raw(t, func(conn net.Conn) {
			mu.Lock()
			connections++
			first := connections == 1
			mu.Unlock()
			for head(conn) != "" {
				_, _ = io.CopyN(io.Discard, conn, 1)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				if first {
					head(conn)
					return
				}
			}
		})
		c := client(t, egress.Options{}, url)
		call := post(url, "x")
		call.IdempotencyKey = key
		do(t, c, call)
		if r, err := c.Do(t.Context(), call); (err == nil) != want || (err != nil && inbox.KindOf(err) != inbox.Unavailable) {
			t.Errorf("key %q: %+v, %v", key, r, err)
		}
	}
}

func TestAClosedClientSendsNothing(t *testing.T) {
	t.Parallel()
	url, count := serve(t, answer(""))
	c := client(t, egress.Options{}, url)
	do(t, c, get(url))
	c.Close()
	c.Close()
	fails(t, c, get(url), inbox.Unavailable, nil, "closed")
	if count() != 1 {
		t.Errorf("%d requests", count())
	}
}

func TestACheckFindsWhatDoWouldRefuseAndOpensNoSocket(t *testing.T) {
	t.Parallel()
	url, count := serve(t, answer(""))
	c := client(t, egress.Options{}, url)
	if err := c.Check(post(url, "x")); err != nil {
		t.Error(err)
	}
	if err := c.Check(get("https://api.example.com")); !errors.Is(err, egress.ErrNotGranted) {
		t.Error(err)
	}
	if err := c.Check(post(url, "x", inbox.Header{Name: "Host", Value: "x"})); !errors.Is(err, egress.ErrHeader) {
		t.Error(err)
	}
	if count() != 0 {
		t.Errorf("%d requests", count())
	}
}
