// Package qoreid knows QoreID's webhooks: their signatures, envelopes and fields
// (https://docs.qoreid.com/docs/webhook-configuration and webhook-payload-structure). Package intake calls it to verify a body
// and to read the ten short fields that the program needs. It leaves the body unchanged, and does no I/O.
//
// No function fails on a strange body. None needs more than one pass over a large body, since photos make bodies several
// megabytes large.
package qoreid

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"log/slog"
	"strings"

	"inbox/inbox"
)

// The defaults that QoreID documents; a source can set others. The header still has the service's old name.
const (
	DefaultHeader    = "x-verifyme-signature"
	DefaultAlgorithm = SHA512
)

// Algorithm is the hash of a signature. The zero value is the documented one.
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

// size returns the length of a signature in bytes, before it is written in hex; 0 for an unknown algorithm.
func (a Algorithm) size() int {
	switch a {
	case "", SHA512:
		return sha512.Size
	case SHA256:
		return sha256.Size
	}
	return 0
}

// Secret is one of a source's webhook secret keys. When it is printed or logged, only its name appears.
type Secret struct {
	Name string // appears in logs, events and counts
	Key  []byte `json:"-"` // never printed; an empty key signs nothing and matches nothing
}

// String returns the name.
func (s Secret) String() string { return s.Name }

// GoString returns the name too, so that %#v does not print the key.
func (s Secret) GoString() string { return "qoreid.Secret(" + s.Name + ")" }

// LogValue returns the name.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.Name) }

// The reasons for which a signature does not pass, as the quarantine keeps them.
const (
	Missing   = "missing"   // no signature
	Malformed = "malformed" // not hex digits of the algorithm's length
	Mismatch  = "mismatch"  // no secret of the source made it
	NoSecret  = "no_secret" // the source has no secret to check with
)

// Sign returns the signature of a body: HMAC over the raw bytes, in lower-case hex (RFC 2104). For an algorithm that is not
// Valid it returns an empty string, which never passes.
func Sign(a Algorithm, key, body []byte) string {
	if !a.Valid() {
		return ""
	}
	mac := hmac.New(a.new(), key)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Verify checks a signature against the raw bytes of a body, and returns the name of the secret that made it. Of two secrets
// with the same key it returns the first. Hex digits of either case pass, and spaces around them. If no secret matches, why
// is Missing, Malformed, NoSecret or Mismatch, in this order of precedence. Every secret is tried, and compared in constant
// time. A secret with an empty key is ignored: anybody could sign with it, and a secret file is empty for a moment while it is
// being rewritten.
//
// A header that occurs several times is a list with commas (RFC 9110, section 5.3): a proxy may add an empty or an old value.
// The signature passes when one member of the list passes, since only a holder of the secret can make it.
func Verify(a Algorithm, secrets []Secret, signature string, body []byte) (name, why string) {
	given, some := signatures(a, signature)
	switch {
	case !some:
		return "", Missing
	case len(given) == 0:
		return "", Malformed
	}
	why = NoSecret
	for i := range secrets {
		if len(secrets[i].Key) == 0 {
			continue
		}
		mac := hmac.New(a.new(), secrets[i].Key)
		inbox.WriteText(mac, body)
		same := among(given, mac.Sum(nil))
		switch {
		case why == "": // found already; the others are still tried
		case same:
			name, why = secrets[i].Name, ""
		default:
			why = Mismatch
		}
	}
	return name, why
}

// signatures returns the well-formed signatures of a list with commas. some reports whether the list has any member.
func signatures(a Algorithm, list string) (given [][]byte, some bool) {
	for member := range strings.SplitSeq(list, ",") {
		member = strings.TrimSpace(member)
		some = some || member != ""
		if a.formed(member) {
			sum, _ := hex.DecodeString(member) // it consists of hex digits
			given = append(given, sum)
		}
	}
	return given, some
}

// among reports whether a sum is in a list. It compares with every element, in constant time.
func among(given [][]byte, sum []byte) bool {
	found := false
	for _, g := range given {
		found = hmac.Equal(sum, g) || found
	}
	return found
}

// WellFormed reports whether a list with commas has a signature that some secret could have made.
func WellFormed(a Algorithm, list string) bool {
	for member := range strings.SplitSeq(list, ",") {
		if a.formed(strings.TrimSpace(member)) {
			return true
		}
	}
	return false
}

// formed reports whether a text consists of hex digits of the algorithm's length.
func (a Algorithm) formed(text string) bool {
	if a.size() == 0 || len(text) != hex.EncodedLen(a.size()) {
		return false
	}
	notHex := func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) }
	return strings.IndexFunc(text, notHex) < 0
}
