package sdk

import (
	"strings"
	"testing"
)

func TestATextIsReadFromTheBodyOrFromTheHost(t *testing.T) {
	t.Parallel()
	e, err := Parse([]byte(`{"v":1,"event":{"id":"evt_1","body": {"data":{"photo":"\u00e9","list":[ ["x"],{"a/b~":"y"}],"n":1,"none":null,"gone":null}},
		"withheld":[{"ptr":"/data/gone","size":70000}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string]string{"/data/photo": "é", "/data/list/0/0": "x", "/data/list/1/a~1b~0": "y"} {
		if got, err := e.Read(pointer); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", pointer, got, err)
		}
	}
	for pointer, says := range map[string]string{
		"": "no text", "data": "begins with a slash", "/data": "no text", "/data/n": "no text", "/data/none": "no text", "/x": "no text",
		"/data/list/2": "no text", "/data/list/00": "no text", "/data/photo/x": "no text", "/data/gone": "its 70000 bytes are withheld",
	} {
		if got, err := e.Read(pointer); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "evt_1") {
			t.Errorf("%s: %q, %v; want …%s…", pointer, got, err, says)
		}
	}
	handleOne([]byte(`{"v":1,"event":{"body_base64":"AP8=","withheld":[]}}`), func(e *Event) Answer {
		if got, err := e.Read(""); err != nil || string(got) != "\x00\xff" {
			t.Errorf("a body that is not JSON: %q, %v", got, err)
		}
		if _, err := e.Read("/a"); err == nil {
			t.Error("a text was found in what is not JSON")
		}
		return Done()
	})
	var kept *Event
	handleOne([]byte(`{"v":1,"event":{"body":{"a":"x"}}}`), func(e *Event) Answer { kept = e; return Done() })
	if _, err := kept.Read("/a"); err == nil || !strings.Contains(err.Error(), "answered already") {
		t.Errorf("after the answer: %v", err)
	}
}
