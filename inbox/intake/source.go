package intake

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
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
	if s.MaxBody == 0 {
		s.MaxBody = DefaultMaxBody
	}
	return s
}

// errTooLarge says that a body is larger than the source takes.
var errTooLarge = inbox.Errorf(inbox.TooLarge, "", "the body is larger than this source takes")

// Vouch checks the signature of a body as it was received and makes an arrival of it. Otherwise why says what is wrong
// with the signature. The error is TooLarge when the decoded body is. It serves the door and the quarantine alike.
func (s Source) Vouch(raw []byte, headers []inbox.Header, origin inbox.Origin, receivedAt, firstSeen time.Time) (a *inbox.Arrival, why string, err error) {
	s = s.withDefaults()
	secret, why := qoreid.Verify(s.Algorithm, s.Secrets(), value(headers, s.Header), raw)
	if why != "" {
		return nil, why, nil
	}
	body, err := decode(raw, value(headers, "Content-Encoding"), s.MaxBody)
	if err != nil {
		return nil, "", err
	}
	return &inbox.Arrival{
		Source: s.Name, Mode: s.Mode, Origin: origin, SecretName: secret, ReceivedAt: receivedAt, FirstSeen: firstSeen,
		NoDedup: s.NoDedup,
		View:    qoreid.Read(body, qoreid.Rules{Source: s.Name, KeyBy: s.KeyBy, Maps: s.Maps}),
		Payload: inbox.Payload{Headers: headers, Body: body},
	}, "", nil
}

// Explain says in words why a signature does not pass, empty when it does.
func (s Source) Explain(raw []byte, signature string) string {
	s = s.withDefaults()
	return qoreid.Explain(s.Algorithm, s.Secrets(), signature, raw)
}

// SignatureHeader is the name of the header that holds the signature.
func (s Source) SignatureHeader() string { return s.withDefaults().Header }

// value returns the first header of that name, in any case.
func value(headers []inbox.Header, name string) string {
	for _, h := range headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// decode removes a Content-Encoding (RFC 9110, section 8.4). A body that is signed is kept in any case: one whose
// encoding is unknown or does not decode is kept as it came, and will be the event "unknown".
func decode(raw []byte, encoding string, limit int64) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "gzip", "x-gzip":
	default:
		return raw, nil
	}
	zip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return raw, nil
	}
	body, err := io.ReadAll(io.LimitReader(zip, limit+1))
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("decode the body: %w", errTooLarge)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return raw, nil
	}
	return body, nil
}
