package intake_test

import (
	"slices"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/intake"
)

func TestAZippedBodyIsVerifiedAsReceivedAndStoredDecoded(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	zip := zipped(t, body)
	for _, encoding := range []string{"gzip", "x-gzip", " GZIP "} {
		d.keep.accepted = nil
		r := d.post(t, zip, append(signed(zip), "Content-Encoding", encoding)...)
		if r.code != 200 || r.Status != "stored" {
			t.Fatalf("%s: %+v", encoding, r)
		}
		a := d.keep.accepted[0]
		if string(a.Payload.Body) != body || a.View.Key != "qoreid/address/1" {
			t.Errorf("%s: stored %q as %+v", encoding, a.Payload.Body, a.View)
		}
		if encodingOf(a.Payload.Headers) != "" {
			t.Errorf("%s: the headers still say that it is encoded", encoding)
		}
	}
	if r := d.post(t, zip, append(signed(body), "Content-Encoding", "gzip")...); r.code != 401 {
		t.Errorf("a signature over the decoded body: %+v", r)
	}
	if kept := d.keep.refused[0].Payload; string(kept.Body) != zip || encodingOf(kept.Headers) != "gzip" {
		t.Errorf("the quarantine keeps %q, encoded as %q", kept.Body, encodingOf(kept.Headers))
	}
	if r := d.post(t, body, signed(body)...); r.Status != "duplicate" {
		t.Errorf("the same body without encoding: %+v", r)
	}
}

func encodingOf(headers []inbox.Header) string {
	for _, h := range headers {
		if h.Name == "content-encoding" {
			return h.Value
		}
	}
	return ""
}

func TestASignedBodyThatCannotBeDecodedIsStoredAsReceived(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	zip := zipped(t, body)
	for name, c := range map[string]struct{ encoding, text string }{
		"not zipped at all": {"gzip", body}, "cut": {"gzip", zip[:len(zip)-6]}, "a wrong sum": {"gzip", zip[:len(zip)-5] + "\x00" + zip[len(zip)-4:]},
		"something behind": {"gzip", zip + "x"}, "unknown": {"br", "\x0b\x02\x80"}, "several": {"gzip, gzip", zip},
	} {
		d.keep.accepted = nil
		if r := d.post(t, c.text, append(signed(c.text), "Content-Encoding", c.encoding)...); r.code != 200 || r.Status != "stored" {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		a := d.keep.accepted[0]
		if string(a.Payload.Body) != c.text || encodingOf(a.Payload.Headers) != c.encoding {
			t.Errorf("%s: stored %q, encoded as %q", name, a.Payload.Body, encodingOf(a.Payload.Headers))
		}
		if wantsUnknown := c.text != body; wantsUnknown && a.View.Event != inbox.UnknownEvent {
			t.Errorf("%s: stored as %q", name, a.View.Event)
		}
	}
}

func TestABodyThatIsTooLargeWhenDecodedIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ size, limit, code int }{{1000, 1000, 200}, {1001, 1000, 413}, {10 << 20, 1 << 20, 413}} {
		s := source()
		s.MaxBody = int64(c.limit)
		d := open(t, intake.Options{Sources: []intake.Source{s}})
		zip := zipped(t, `"`+strings.Repeat("x", c.size-2)+`"`)
		if r := d.post(t, zip, append(signed(zip), "Content-Encoding", "gzip")...); r.code != c.code {
			t.Errorf("%d bytes: %+v", c.size, r)
		}
		if r := d.post(t, zip, "Content-Encoding", "gzip"); r.code != 401 {
			t.Errorf("%d bytes, not signed, and so not decoded: %+v", c.size, r)
		}
	}
}

func TestASourceExplainsItself(t *testing.T) {
	t.Parallel()
	s := source()
	if got := s.SignatureHeader(); got != "x-verifyme-signature" {
		t.Errorf("the header is %q", got)
	}
	if got := s.Explain([]byte("{}"), "zz"); !strings.Contains(got, "hexadecimal") {
		t.Errorf("explained as %q", got)
	}
}

func TestTheSignatureIsKeptAmongAnyNumberOfHeaders(t *testing.T) {
	t.Parallel()
	d := open(t, intake.Options{})
	headers := append(signed(body), "Content-Type", "application/json", "Aa", strings.Repeat("v", 4<<10), "A-Long", strings.Repeat("w", 20<<10))
	for range 300 {
		headers = append(headers, "A-Many", "x")
	}
	if r := d.post(t, body, headers...); r.code != 200 {
		t.Fatalf("answered %+v", r)
	}
	kept := d.keep.accepted[0].Payload.Headers
	size := 0
	for _, h := range kept {
		size += len(h.Name) + len(h.Value)
	}
	if len(kept) > 100 || size > 16<<10 {
		t.Errorf("kept %d headers of %d bytes", len(kept), size)
	}
	if want := []string{"x-verifyme-signature", "content-type"}; !slices.Equal([]string{kept[0].Name, kept[1].Name}, want) {
		t.Errorf("the first are %v", kept[:2])
	}
}
