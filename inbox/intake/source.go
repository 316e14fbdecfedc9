package intake

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"inbox/inbox"
	"inbox/inbox/qoreid"
)

// DefaultMaxBody is the largest body a source takes unless it says otherwise.
const DefaultMaxBody = 10 << 20

// Source is a door with a path, secrets and a mode of its own. The zero value of a field means the default in its
// comment.
type Source struct {
	Name      string
	Path      string
	Mode      inbox.Mode             // default live
	Secrets   func() []qoreid.Secret // asked for every request, so that secrets can change; nil: none
	Header    string                 // of the signature; default qoreid.DefaultHeader
	Algorithm qoreid.Algorithm       // default SHA-512
	KeyBy     qoreid.KeyBy           // default by id
	MaxBody   int64                  // bytes, as received and after decoding; default DefaultMaxBody
	NoDedup   bool                   // every copy is an event of its own
	Maps      []qoreid.Map
}

// withDefaults fills in what is not set.
func (s Source) withDefaults() Source {
	if s.Mode == "" {
		s.Mode = inbox.Live
	}
	if s.Secrets == nil {
		s.Secrets = func() []qoreid.Secret { return nil }
	}
	if s.Header == "" {
		s.Header = qoreid.DefaultHeader
	}
	s.Header = http.CanonicalHeaderKey(s.Header) // as requests are looked up by
	if s.MaxBody == 0 {
		s.MaxBody = DefaultMaxBody
	}
	return s
}

const contentEncoding = "Content-Encoding"

// errTooLarge says that a body is larger than the source takes.
var errTooLarge = inbox.Errorf(inbox.TooLarge, "", "the body is larger than this source takes")

// Vouch checks the signature of a body as it was received and makes an arrival of it. Otherwise why says what is wrong
// with the signature. The error is TooLarge when the decoded body is. It serves the door and the quarantine alike: raw and
// headers are as the quarantine keeps them.
func (s Source) Vouch(raw []byte, headers []inbox.Header, origin inbox.Origin, receivedAt, firstSeen time.Time) (a *inbox.Arrival, why string, err error) {
	s = s.withDefaults()
	secret, why := s.verify(raw, headers)
	if why != "" {
		return nil, why, nil
	}
	a, err = s.arrival(secret, raw, headers)
	if err != nil {
		return nil, "", err
	}
	a.Origin, a.ReceivedAt, a.FirstSeen = origin, receivedAt, firstSeen
	return a, "", nil
}

// couldSign reports whether a request has a signature that some secret of the source could have made.
func (s Source) couldSign(h http.Header) bool {
	return slices.ContainsFunc(h.Values(s.Header), func(v string) bool { return qoreid.WellFormed(s.Algorithm, v) })
}

// verify checks the signature of a body, with the source's defaults filled in. It is the only place that does.
func (s Source) verify(raw []byte, headers []inbox.Header) (secret, why string) {
	return qoreid.Verify(s.Algorithm, s.Secrets(), s.Signature(headers), raw)
}

// arrival makes an arrival of a body whose signature passes. The error is TooLarge when the decoded body is.
func (s Source) arrival(secret string, raw []byte, headers []inbox.Header) (*inbox.Arrival, error) {
	body, headers, err := decode(raw, headers, s.MaxBody)
	if err != nil {
		return nil, err
	}
	return &inbox.Arrival{
		Source: s.Name, Mode: s.Mode, SecretName: secret, NoDedup: s.NoDedup,
		View:    qoreid.Read(body, qoreid.Rules{Source: s.Name, KeyBy: s.KeyBy, Maps: s.Maps}),
		Payload: inbox.Payload{Headers: headers, Body: body},
	}, nil
}

// Signature returns what the headers of a request have as its signature: all lines of the signature's header, joined by
// commas. It is empty when there is none.
func (s Source) Signature(headers []inbox.Header) string {
	return inbox.HeaderValue(headers, s.withDefaults().Header)
}

// Explain says in words why a signature does not pass, empty when it does. The signature is as [Source.Signature] returns it.
func (s Source) Explain(raw []byte, signature string) string {
	s = s.withDefaults()
	if _, why := qoreid.Verify(s.Algorithm, s.Secrets(), signature, raw); why == qoreid.Mismatch && nothing(raw) {
		return "the body was lost on the way, and the signature is that of another one: a proxy dropped the body (HTTP/1.0 without a " +
			"length), or a redirect turned the POST into a GET"
	}
	return qoreid.Explain(s.Algorithm, s.Secrets(), signature, raw)
}

// known reports whether a body reads as an event that QoreID documents. What is encoded is not decoded for a stranger.
func (s Source) known(raw []byte, headers []inbox.Header) bool {
	return !encoded(headers) && qoreid.Read(raw, qoreid.Rules{Source: s.Name}).Rank >= 0
}

// SignatureHeader is the name of the header that holds the signature, in lower case as headers are kept.
func (s Source) SignatureHeader() string { return headerName(s.withDefaults().Header) }

// encoded reports whether a body is to be decoded.
func encoded(headers []inbox.Header) bool {
	switch strings.ToLower(strings.TrimSpace(inbox.HeaderValue(headers, contentEncoding))) {
	case "gzip", "x-gzip":
		return true
	}
	return false
}

// decode removes a Content-Encoding (RFC 9110, section 8.4) and the header that says so, and returns both. A body that
// is signed is kept in any case: one whose encoding is unknown or does not decode is kept as it came, with the header,
// and will be the event "unknown". So a Content-Encoding that is still there says that the body is still encoded.
func decode(raw []byte, headers []inbox.Header, limit int64) ([]byte, []inbox.Header, error) {
	if !encoded(headers) {
		return raw, headers, nil
	}
	zip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return raw, headers, nil
	}
	body, err := io.ReadAll(io.LimitReader(zip, limit+1))
	switch {
	case int64(len(body)) > limit:
		return nil, nil, errTooLarge
	case err != nil:
		return raw, headers, nil
	}
	return body, slices.DeleteFunc(slices.Clone(headers), func(h inbox.Header) bool { return strings.EqualFold(h.Name, contentEncoding) }), nil
}
