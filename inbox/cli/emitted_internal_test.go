package cli

import (
	"testing"

	"inbox/inbox/api"
)

func TestAFetchIsOneLine(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]api.AttemptFetch{
		"fetch 1  GET https://a.test  status 200  2ms":                                                {Method: "GET", Origin: "https://a.test", Status: 200, Millis: 2},
		"fetch 2  PUT https://a.test/b  status 500  1ms  (from the journal of an earlier attempt)":    {Index: 1, Method: "PUT", Origin: "https://a.test", URL: "https://a.test/b", Status: 500, Millis: 1, FromJournal: true},
		"fetch 3  GET https://a.test  3s  no complete response in the time that the attempt had left": {Index: 2, Method: "GET", Origin: "https://a.test", Why: "no complete response in the time that the attempt had left", Millis: 3000},
	} {
		if got := fetchText(&f); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
