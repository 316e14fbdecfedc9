package inbox_test

import (
	"testing"

	"inbox/inbox"
)

func TestAResponseBecomesADocument(t *testing.T) {
	t.Parallel()
	typed := func(kind string) []inbox.Header { return []inbox.Header{{Name: "content-type", Value: kind}} }
	for want, r := range map[string]inbox.Response{
		`{"status":204,"headers":{},"truncated":false}`: {Status: 204},
		`{"status":200,"headers":{"content-type":"application/json; charset=utf-8"},"body":{"n":1},"truncated":false}`: {
			Status: 200, Headers: typed("application/json; charset=utf-8"), Body: []byte(` {"n": 1} `)},
		`{"status":400,"headers":{"content-type":"application/problem+json"},"body":[],"truncated":false}`: {
			Status: 400, Headers: typed("application/problem+json"), Body: []byte(`[]`)},
		`{"status":200,"headers":{"content-type":"application/json"},"body":"{\"n\"","truncated":true}`: {
			Status: 200, Headers: typed("application/json"), Body: []byte(`{"n"`), Cut: true},
		`{"status":200,"headers":{"content-type":"text/plain"},"body":"7","truncated":false}`: {Status: 200, Headers: typed("text/plain"), Body: []byte(`7`)},
		`{"status":200,"headers":{"a":"1, 2"},"body_base64":"/wA=","truncated":false}`: {
			Status: 200, Headers: []inbox.Header{{Name: "a", Value: "1"}, {Name: "a", Value: "2"}}, Body: []byte{255, 0}},
	} {
		if got := string(inbox.AnswerDocument(&r)); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

func TestTheEndOfAnEffectBecomesTheEventThatItsRequestNames(t *testing.T) {
	t.Parallel()
	e := inbox.Effect{Then: "crm.answered", Method: "POST", Lane: inbox.EffectLane{Origin: "https://a.example.com"}, Cause: inbox.EffectCause{Index: 3}}
	ok := &inbox.Sent{Response: &inbox.Response{Status: 200}}
	const request = `"request":{"index":3,"method":"POST","origin":"https://a.example.com"}}`
	for want, got := range map[string]*inbox.Emission{
		`{"status":200,"headers":{},"truncated":false,"outcome":"done",` + request: inbox.Answered(&e, ok, inbox.Done),
		`{"status":null,"headers":{},"truncated":false,"error":"it did not answer in time","outcome":"dead",` + request: inbox.Answered(
			&e, &inbox.Sent{Failure: inbox.Retry, Why: "it did not answer in time"}, inbox.Dead),
		`{"status":422,"headers":{},"truncated":false,"outcome":"dead",` + request: inbox.Answered(&e, &inbox.Sent{Response: &inbox.Response{Status: 422}}, inbox.Dead),
	} {
		if got == nil || got.Event != "crm.answered" || got.Key != "" || string(got.Body) != want {
			t.Errorf("%+v\nwant %s", got, want)
		}
	}
	if got := inbox.Answered(&e, ok, inbox.Again); got != nil {
		t.Errorf("a request that is tried again emits %+v", got)
	}
	e.Then = ""
	if got := inbox.Answered(&e, ok, inbox.Done); got != nil {
		t.Errorf("a request without then emits %+v", got)
	}
}
