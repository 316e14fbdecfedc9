package sdk

import (
	"errors"
	"testing"

	"inbox/sdk/abi"
)

func TestFetchReturnsTheAnswerOfATest(t *testing.T) {
	var asked abi.Request
	status := 404
	restore := AnswerFetches(func(r abi.Request) abi.Fetched {
		asked = r
		return abi.Fetched{Status: &status, Headers: map[string]string{"content-type": "application/json"}, Body: []byte(`{"n":1}`)}
	})
	r, err := Fetch(Request{URL: "https://a.test/1?q"})
	if err != nil || r.Status != 404 || asked.Method != "GET" || asked.URL != "https://a.test/1?q" {
		t.Fatalf("%+v, %v; asked %+v", r, err, asked)
	}
	var body struct{ N int }
	if err := r.Decode(&body); err != nil || body.N != 1 {
		t.Errorf("%+v, %v", body, err)
	}
	if _, err := Fetch(Request{URL: "https://a.test/1", JSON: map[string]int{"n": 1}}); err != nil || asked.Method != "POST" || string(asked.Body) != `{"n":1}` {
		t.Errorf("%v; asked %+v", err, asked)
	}
	if _, err := Fetch(Request{URL: "https://a.test/1", JSON: func() {}}); err == nil || errors.Is(err, ErrRequest) {
		t.Errorf("a body that cannot be encoded: %v", err)
	}
	restore()
	if r, err = Fetch(Request{URL: "https://a.test/1"}); err != nil || r.Status != 0 || r.Error == "" || r.Decode(&body) == nil {
		t.Errorf("without answers: %+v, %v", r, err)
	}
}
