// Package qoreid knows what QoreID sends: how it signs, in which envelopes, and what the fields mean
// (https://docs.qoreid.com/docs/webhook-configuration and webhook-payload-structure). It vouches for a body and reads
// the few things out of it that the program works with; the body itself is kept as it came.
package qoreid

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"
)

// What QoreID documents; both can be set otherwise per source. The header still has the service's old name.
const (
	DefaultHeader    = "x-verifyme-signature"
	DefaultAlgorithm = SHA512
)

// Algorithm is a hash that a signature is made with.
type Algorithm string

// The algorithms.
const (
	SHA512 Algorithm = "sha512"
	SHA256 Algorithm = "sha256"
)

// new returns the constructor of the hash, nil for an unknown one.
func (a Algorithm) new() func() hash.Hash {
	switch a {
	case SHA512, "":
		return sha512.New
	case SHA256:
		return sha256.New
	}
	return nil
}

// Valid reports whether a is known; empty means the documented one.
func (a Algorithm) Valid() bool { return a.new() != nil }

// Secret is one of a source's webhook secret keys.
type Secret struct {
	Name string // said where a secret is named: in logs, in events, in counts
	Key  []byte // never said
}

// Why a signature does not pass; the words the quarantine keeps.
const (
	Missing   = "missing"   // no signature at all
	Malformed = "malformed" // not as many hex digits as the algorithm gives
	Mismatch  = "mismatch"  // no secret of the source made it
	NoSecret  = "no_secret" // the source has no secret to check with
)

// Sign returns the signature of a body: HMAC over the raw bytes, in lower-case hex (RFC 2104).
func Sign(a Algorithm, key, body []byte) string {
	mac := hmac.New(a.new(), key)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Verify checks a signature against the raw bytes of a body, and returns the name of the secret that made it. Either
// case of the hex digits and spaces around them are accepted, nothing else. Otherwise why says what is wrong. Every
// secret is tried, and compared in constant time.
func Verify(a Algorithm, secrets []Secret, signature string, body []byte) (name, why string) {
	signature = strings.TrimSpace(signature)
	if signature == "" {
		return "", Missing
	}
	got, err := hex.DecodeString(signature)
	if err != nil || len(got) != a.new()().Size() {
		return "", Malformed
	}
	if len(secrets) == 0 {
		return "", NoSecret
	}
	why = Mismatch
	for i := range secrets {
		mac := hmac.New(a.new(), secrets[i].Key)
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), got) && why != "" {
			name, why = secrets[i].Name, ""
		}
	}
	return name, why
}

// Explain says why a signature does not pass, in words for the person who set up the secret, and without telling the
// right signature. It recognises the usual mistakes.
func Explain(a Algorithm, secrets []Secret, signature string, body []byte) string {
	_, why := Verify(a, secrets, signature, body)
	switch why {
	case "":
		return ""
	case Missing:
		return "there is no signature: the request did not come from QoreID, or a proxy drops the header"
	case NoSecret:
		return "the source has no secret to check with"
	case Malformed:
		return malformed(a, signature)
	}
	for _, s := range secrets {
		if hint := mistaken(a, s, signature, body); hint != "" {
			return hint
		}
	}
	return "no secret of the source made this signature: the secret is another one, or the body is not byte for byte what was signed"
}

func malformed(a Algorithm, signature string) string {
	if _, why := Verify(other(a), nil, signature, nil); why == NoSecret {
		return "the signature has the length of " + string(other(a)) + ", not of " + string(orDefault(a)) + ": set the source's algorithm"
	}
	return "the signature is not hexadecimal digits of the right number"
}

func other(a Algorithm) Algorithm {
	if orDefault(a) == SHA512 {
		return SHA256
	}
	return SHA512
}

func orDefault(a Algorithm) Algorithm {
	if a == "" {
		return DefaultAlgorithm
	}
	return a
}

// mistaken tries the usual mistakes with one secret.
func mistaken(a Algorithm, s Secret, signature string, body []byte) string {
	try := func(key, body []byte) bool {
		_, why := Verify(a, []Secret{{Key: key}}, signature, body)
		return why == ""
	}
	trimmed := []byte(strings.TrimSpace(string(s.Key)))
	switch {
	case try(trimmed, body), try(append(s.Key[:len(s.Key):len(s.Key)], '\n'), body):
		return "secret " + s.Name + " has a space or a newline too many or too few at its end"
	case try(s.Key, []byte(strings.TrimSpace(string(body)))), try(s.Key, append(body[:len(body):len(body)], '\n')):
		return "the body gained or lost a newline at its end: a proxy or a copy changed it"
	}
	return ""
}
