package operator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"inbox/inbox"
)

func TestABodyShowsOnlyTheKeepList(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"event":"address","event_type":"verification_completed","data":{"id":7,"customerReference":"r-1","status":{"status":"VERIFIED","subStatus":"X Y","state":"COMPLETE","by":"Ada"}}}`: `{"event":"address","event_type":"verification_completed","data":{"id":7,"customerReference":"r-1","status":{"status":"VERIFIED","subStatus":"X Y","state":"COMPLETE","by":"[string:3]"}}}`,
		`{"event":"flat","id":"x","status":"verified","nin":{"status":"seen","id":"12345678901"}}`:                                                                                           `{"event":"flat","id":"x","status":"verified","nin":{"status":"[string:4]","id":"[string:11]"}}`,
		`{"data":{"summary":{"nin_check":{"status":"EXACT_MATCH","fieldMatches":{"dob":true}},"cac_check":"Ada Ltd"}}}`:                                                                      `{"data":{"summary":{"nin_check":{"status":"EXACT_MATCH","fieldMatches":{"dob":"[boolean]"}},"cac_check":"[string:7]"}}}`,
		`{"data":{"applicant":{"firstname":"Adé","age":41,"alive":false,"next":null,"tags":["a",{}]},"photo":"` + strings.Repeat("A", 5000) + `"}}`:                                          `{"data":{"applicant":{"firstname":"[string:3]","age":"[number:2]","alive":"[boolean]","next":null,"tags":["[string:1]",{}]},"photo":"[string:5000]"}}`,
		`{"status":"` + strings.Repeat("x", 300) + `","data":{"data":{"id":"inner"}}}`:                                                                                                       `{"status":"[string:300]","data":{"data":{"id":"[string:5]"}}}`,
		`{"08012345678":{"Ada Lovelace":1},"photo1":2,"Ada":3}`:                                                                                                                              `{"[name:11]":{"[name:12]":"[number:1]"},"photo1":"[number:1]","Ada":"[number:1]"}`,
		"\xef\xbb\xbf[1.50,\"\"]":           `["[number:4]",""]`,
		`12345678901`:                       `"[number:11]"`,
		`not json`:                          `"[8 bytes that are not JSON]"`,
		``:                                  `"[0 bytes that are not JSON]"`,
		strings.Repeat("[", 20_000):         `"[20000 bytes that are not JSON]"`,
		`{"id":{"id":"deep"},"status":[1]}`: `{"id":{"id":"[string:4]"},"status":["[number:1]"]}`,
	} {
		if got := string(maskBody([]byte(body))); got != want {
			t.Errorf("%.80s\nshown as %s\nnot      %s", body, got, want)
		}
	}
}

func TestOnlyHeadersThatDescribeTheTransferAreShown(t *testing.T) {
	t.Parallel()
	got := maskHeaders([]inbox.Header{{Name: "Content-Type", Value: "application/json"}, {Name: "x-verifyme-signature", Value: "abc"}, {Name: "user-agent", Value: strings.Repeat("x", 999)}})
	if fmt.Sprint(got) != "[{Content-Type application/json} {x-verifyme-signature [string:3]} {user-agent [string:999]}]" {
		t.Errorf("got %v", got)
	}
}

func TestAReasonShowsTheHostsWordsAndNotThePlugins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason    string
		hostWords int
		want      string
	}{
		{"", 0, ""},
		{"Ada was here", 0, "[string:12]"},
		{"exit code 65", 12, "exit code 65"},
		{`its result has an unknown outcome: "Ada"`, 33, `its result has an unknown outcome: …`},
		{"short", 99, "short"}, // it was purged, or damaged, and other words stand for it
		{"short", -1, "[string:5]"},
	} {
		if got := maskReason(c.reason, c.hostWords); got != c.want {
			t.Errorf("%q, %d: %q, want %q", c.reason, c.hostWords, got, c.want)
		}
	}
}

// FuzzMask checks that a masked body is always JSON, and that it has no text outside the keep-list.
func FuzzMask(f *testing.F) {
	f.Add([]byte(`{"event":"a","data":{"id":1,"status":{"status":"b"},"summary":{"c":{"status":"d"}},"name":"needle-in-hay"}}`))
	f.Add([]byte(`[[["needle-in-hay"]],{"needle-in-hay":1}]`))
	f.Add([]byte(`{"data":{"status":{"x":{"status":"needle-in-hay"}}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		shown := maskBody(body)
		if !json.Valid(shown) {
			t.Errorf("not JSON: %s", shown)
		}
		wrapped := fmt.Appendf(nil, `{"data":{"applicant":%s}}`, body)
		if json.Valid(wrapped) && bytes.Contains(maskBody(wrapped), []byte("needle-in-hay")) {
			t.Errorf("shown: %s", maskBody(wrapped))
		}
	})
}
