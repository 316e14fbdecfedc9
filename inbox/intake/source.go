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

// DefaultMaxBody is the default size of the largest body that a source accepts.
const DefaultMaxBody = 10 << 20

// Source is a webhook endpoint with its own path, secrets and mode. The zero value of a field means the default in its
// comment.
type Source struct {
	Name      string
	Path      string
	Mode      inbox.Mode             // default live
	Secrets   func() []qoreid.Secret // called for every request, so that secrets can change; nil: none
	Header    string                 // name of the signature's header; default qoreid.DefaultHeader
	Algorithm qoreid.Algorithm       // default SHA-512
	KeyBy     qoreid.KeyBy           // default by id
	MaxBody   int64                  // bytes, as received and after decoding; default DefaultMaxBody
	NoDedup   bool                   // every copy is an event of its own
	Maps      []qoreid.Map
}

// withDefaults fills in the fields that are not set.
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
	s.Header = http.CanonicalHeaderKey(s.Header) // the form in which net/http keeps names
	if s.MaxBody == 0 {
		s.MaxBody = DefaultMaxBody
	}
	return s
}

const contentEncoding = "Content-Encoding"

// errTooLarge says that a body is larger than the source accepts.
var errTooLarge = inbox.Errorf(inbox.TooLarge, "", "the body is larger than this source accepts")

// Verify checks the signature of a body as received, and returns the arrival made from it. If the signature does not pass, why
// says the reason. The error is TooLarge when the decoded body is too large. raw and headers are as the quarantine keeps them,
// so that the handler and a recheck of the quarantine share this function.
func (s Source) Verify(raw []byte, headers []inbox.Header, origin inbox.Origin, receivedAt, firstSeen time.Time) (a *inbox.Arrival, why string, err error) {
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

// verify checks the signature of a body. The source's defaults must be filled in. No other function checks signatures.
func (s Source) verify(raw []byte, headers []inbox.Header) (secret, why string) {
	return qoreid.Verify(s.Algorithm, s.Secrets(), s.Signature(headers), raw)
}

// arrival returns the arrival of a body whose signature passes. The error is TooLarge when the decoded body is too large.
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

// Signature returns the signature of a request: all lines of the signature's header, joined by commas. It returns an empty
// string when the header is missing.
func (s Source) Signature(headers []inbox.Header) string {
	return inbox.HeaderValue(headers, s.withDefaults().Header)
}

// Explain returns in words why a signature does not pass. It returns an empty string for a signature that passes. The signature
// is as [Source.Signature] returns it.
func (s Source) Explain(raw []byte, signature string) string {
	s = s.withDefaults()
	if _, why := qoreid.Verify(s.Algorithm, s.Secrets(), signature, raw); why == qoreid.Mismatch && nothing(raw) {
		return "the body was lost on the way, and the signature belongs to another body: a proxy dropped the body (HTTP/1.0 without a " +
			"length), or a redirect turned the POST into a GET"
	}
	return qoreid.Explain(s.Algorithm, s.Secrets(), signature, raw)
}

// known reports whether a body is an event that QoreID documents. Encoded bodies of strangers are not decoded.
func (s Source) known(raw []byte, headers []inbox.Header) bool {
	return !encoded(headers) && qoreid.Read(raw, qoreid.Rules{Source: s.Name}).Rank >= 0
}

// SignatureHeader returns the name of the signature's header, in lower case as headers are kept.
func (s Source) SignatureHeader() string { return headerName(s.withDefaults().Header) }

// encoded reports whether a body must be decoded.
func encoded(headers []inbox.Header) bool {
	switch strings.ToLower(strings.TrimSpace(inbox.HeaderValue(headers, contentEncoding))) {
	case "gzip", "x-gzip":
		return true
	}
	return false
}

// decode decodes a Content-Encoding (RFC 9110, section 8.4), and returns the body and the headers without that header. A signed
// body is kept in any case: a body with an unknown encoding, or one that cannot be decoded, is returned as received, with the
// header, and becomes the event "unknown". So a remaining Content-Encoding says that the body is still encoded.
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
