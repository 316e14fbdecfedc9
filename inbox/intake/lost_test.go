package intake_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/intake"
	"inbox/inbox/qoreid"
)

// A request with a signature and without a body is a webhook, not a probe: it is refused, counted and kept.
func TestAWebhookThatLostItsBodyIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	sig := signature(body)
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	zip := zipped(t, "{}")
	for name, c := range map[string]struct{ request, why string }{
		"an empty body":               {"POST %s HTTP/1.1\r\nHost: x\r\n" + sig + "\r\nContent-Length: 0\r\n\r\n", qoreid.Mismatch},
		"no length":                   {"POST %s HTTP/1.1\r\nHost: x\r\n" + sig + "\r\n\r\n", qoreid.Mismatch},
		"an empty body in chunks":     {"POST %s HTTP/1.1\r\nHost: x\r\n" + sig + "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", qoreid.Mismatch},
		"blanks":                      {"POST %s HTTP/1.1\r\nHost: x\r\n" + sig + "\r\nContent-Length: 3\r\n\r\n \r\n", qoreid.Mismatch},
		"an empty object":             {"POST %s HTTP/1.1\r\nHost: x\r\n" + sig + "\r\nContent-Length: 2\r\n\r\n{}", qoreid.Mismatch},
		"chunks in HTTP/1.0":          {"POST %s HTTP/1.0\r\n" + sig + "\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked, qoreid.Mismatch},
		"no length in HTTP/1.0":       {"POST %s HTTP/1.0\r\n" + sig + "\r\n\r\n" + body, qoreid.Mismatch},
		"a GET after a redirect":      {"GET %s HTTP/1.1\r\nHost: x\r\n" + sig + "\r\n\r\n", qoreid.Mismatch},
		"a HEAD":                      {"HEAD %s HTTP/1.1\r\nHost: x\r\n" + sig + "\r\n\r\n", qoreid.Mismatch},
		"asked for, and then nothing": {"POST %s HTTP/1.1\r\nHost: x\r\n" + sig + "\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", qoreid.Mismatch},
		"an unsigned GET with a body": {"GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", qoreid.Missing},
		"a malformed signature":       {"POST %s HTTP/1.1\r\nHost: x\r\n" + qoreid.DefaultHeader + ": abc\r\nContent-Length: 2\r\n\r\n{}", qoreid.Malformed},
		"a signature of 20 kB":        {"POST %s HTTP/1.1\r\nHost: x\r\n" + qoreid.DefaultHeader + ": " + strings.Repeat("a", 20<<10) + "\r\nContent-Length: 0\r\n\r\n", qoreid.Malformed},
		"two signatures":              {"POST %s HTTP/1.1\r\nHost: x\r\n" + sig + "\r\n" + signature(body+" ") + "\r\nContent-Length: 0\r\n\r\n", qoreid.Mismatch},
		"an empty one and one":        {"POST %s HTTP/1.1\r\nHost: x\r\n" + qoreid.DefaultHeader + ":\r\n" + sig + "\r\nContent-Length: 0\r\n\r\n", qoreid.Mismatch},
		"{} zipped, signed before": {"POST %s HTTP/1.1\r\nHost: x\r\n" + signature("{}") + "\r\nContent-Encoding: gzip\r\nContent-Length: " +
			fmt.Sprint(len(zip)) + "\r\n\r\n" + zip, qoreid.Mismatch},
	} {
		d := open(t, intake.Options{})
		w := d.dial(t)
		w.say(c.request, path)
		if a := d.answer(t); a.Code != http.StatusUnauthorized || a.Status != c.why {
			t.Errorf("%s: observed %+v", name, a)
		}
		if len(d.keep.refused) != 1 || len(d.keep.accepted) != 0 {
			t.Errorf("%s: kept %d and accepted %d", name, len(d.keep.refused), len(d.keep.accepted))
			continue
		}
		if kept := d.keep.refused[0]; kept.Why != c.why || (c.why != qoreid.Missing && source().Signature(kept.Payload.Headers) == "") {
			t.Errorf("%s: kept %+v", name, kept)
		}
	}
}

func TestChunksThatHTTP10DoesNotHaveAreNotReadAsTheNextRequest(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	w := d.dial(t)
	w.say("POST %s HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\nGET %s HTTP/1.0\r\n\r\n", path, path)
	d.answer(t)
	if code, got := w.hear(); code != 200 {
		t.Errorf("%d %s", code, got)
	}
	if rest, err := w.in.ReadByte(); err == nil {
		t.Errorf("the connection goes on with %q", rest)
	}
	w = d.dial(t) // with a length the connection stays open
	for range 2 {
		w.say("POST %s HTTP/1.0\r\nConnection: keep-alive\r\n%s\r\nContent-Length: %d\r\n\r\n%s", path, signature(body), len(body), body)
		if code, got := w.hear(); code != 200 {
			t.Errorf("%d %s", code, got)
		}
	}
}

// The handler, the quarantine, a recheck and `inbox secret check` read the signature by the same function.
func TestOneRightSignatureOfSeveralIsEnoughEverywhere(t *testing.T) {
	t.Parallel()
	right, old := signed(body)[1], strings.Repeat("0", 128)
	for name, c := range map[string]struct {
		values []string
		why    string
	}{
		"an empty one first":        {[]string{"", right}, ""},
		"an empty one last":         {[]string{right, " "}, ""},
		"an old one first":          {[]string{old, right}, ""},
		"an old one last":           {[]string{right, old}, ""},
		"joined by a proxy":         {[]string{old + ", " + right}, ""},
		"joined with an empty one":  {[]string{"," + right}, ""},
		"the same one twice":        {[]string{right, right}, ""},
		"nonsense beside it":        {[]string{"none", right, "nonsense"}, ""},
		"two wrong ones":            {[]string{old, strings.Repeat("1", 128)}, qoreid.Mismatch},
		"nonsense and a wrong one":  {[]string{"nonsense", old}, qoreid.Mismatch},
		"nonsense twice":            {[]string{"nonsense", "more"}, qoreid.Malformed},
		"blanks":                    {[]string{"", " , ,"}, qoreid.Missing},
		"the halves of a right one": {[]string{right[:64], right[64:]}, qoreid.Malformed},
	} {
		d := open(t, intake.Options{})
		var headers []string
		for _, v := range c.values {
			headers = append(headers, qoreid.DefaultHeader, v)
		}
		r := d.post(t, body, headers...)
		var kept inbox.Payload
		switch {
		case c.why == "" && r.code == 200:
			kept = d.keep.accepted[0].Payload
		case c.why != "" && r.code == 401 && r.Error.Code == c.why:
			kept = d.keep.refused[0].Payload
		default:
			t.Errorf("%s: answered %+v", name, r)
			continue
		}
		if _, why, err := source().Verify(kept.Body, kept.Headers, inbox.FromRecheck, time.Time{}, time.Time{}); why != c.why || err != nil {
			t.Errorf("%s: a recheck says %q, %v", name, why, err)
		}
		if got := source().Explain(kept.Body, source().Signature(kept.Headers)); (got == "") != (c.why == "") {
			t.Errorf("%s: explained as %q", name, got)
		}
	}
}

func TestALostBodyIsExplained(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"", " ", "{}"} {
		if got := source().Explain([]byte(lost), signed(body)[1]); !strings.Contains(got, "lost on the way") {
			t.Errorf("%q is explained as %q", lost, got)
		}
	}
}
