package sdk

import (
	"encoding/json"
	"testing"
)

func TestRequestsAreWrittenIntoTheResult(t *testing.T) {
	t.Parallel()
	a := Done().
		Send(Request{URL: "https://a.test/1", JSON: map[string]int{"n": 1}, Secrets: map[string]string{"Authorization": "Bearer {{secret.t}}"}}).
		Send(Request{Method: "PUT", URL: "https://a.test/2", Body: []byte{0, 255}}).
		Send(Request{URL: "https://a.test/3", JSON: "text", Headers: map[string]string{"content-type": "text/json"}}).
		Send(Request{URL: "https://a.test/4", Raw: true})
	text := handleOne([]byte(`{"v":1,"event":{"id":"e"}}`), func(*Event) Answer { return a })
	const want = `{"outcome":"ok","http":[` +
		`{"method":"POST","url":"https://a.test/1","headers":{"Content-Type":"application/json"},"secrets":{"Authorization":"Bearer {{secret.t}}"},"body":{"n":1}},` +
		`{"method":"PUT","url":"https://a.test/2","body_base64":"AP8="},` +
		`{"method":"POST","url":"https://a.test/3","headers":{"content-type":"text/json"},"body_base64":"InRleHQi"},` +
		`{"method":"POST","url":"https://a.test/4","raw":true}]}`
	if string(text) != want || !json.Valid(text) {
		t.Errorf("got\n%s, want\n%s", text, want)
	}
	if n := len(a.Requests()); n != 4 {
		t.Errorf("%d requests", n)
	}
}

func TestARequestThatCannotBeEncodedIsARetry(t *testing.T) {
	t.Parallel()
	if a := Done().Send(Request{URL: "https://a.test", JSON: func() {}}); a.Outcome() != "retry" || len(a.Requests()) > 0 {
		t.Errorf("%s with %d requests", a.Outcome(), len(a.Requests()))
	}
}

func TestAnAnswerDoesNotShareItsRequests(t *testing.T) {
	t.Parallel()
	first := Done().Send(Request{URL: "https://a.test/1"})
	left, right := first.Send(Request{URL: "https://a.test/left"}), first.Send(Request{URL: "https://a.test/right"})
	if left.Requests()[1].URL == right.Requests()[1].URL {
		t.Error("two answers made of one share a request")
	}
}
