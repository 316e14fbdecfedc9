package sdk

import (
	"strings"
	"testing"
)

func TestAResponseIsReadFromTheEventThatItBecame(t *testing.T) {
	t.Parallel()
	e, err := Parse([]byte(strings.Replace(document, `{"data":{"id":12345678901234567890}}`,
		`{"status":null,"headers":{"a":"b"},"body_base64":"/wA=","truncated":true,"error":"late","outcome":"dead","request":{"index":2,"method":"PUT","origin":"https://x"}}`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.Response()
	if err != nil || r.Outcome != ResponseDead || r.Status != 0 || r.Headers["a"] != "b" || string(r.Bytes) != "\xff\x00" || !r.Truncated || r.Error != "late" || r.Request.Index != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	other, err := Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := other.Response(); err == nil {
		t.Errorf("a webhook is read as the response %+v", r)
	}
	if a := Done().Send(Request{URL: "https://x", Then: "a.b"}); a.Requests()[0].Then != "a.b" {
		t.Errorf("%+v", a.Requests())
	}
}
