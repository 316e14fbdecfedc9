// Package qoreid knows what QoreID sends: how it signs, in which envelopes, and what the fields mean
// (https://docs.qoreid.com/docs/webhook-configuration and webhook-payload-structure). It vouches for a body and reads
// the few things out of it that the program works with; the body itself is kept as it came.
//
// Nothing here fails on a strange body, and nothing here costs more than one pass over a large one: bodies carry
// photos of several megabytes, and what is wanted of them are ten short words. The package does no I/O.
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

// What QoreID documents; both can be set otherwise per source. The header still has the service's old name.
const (
	DefaultHeader    = "x-verifyme-signature"
	DefaultAlgorithm = SHA512
)

// Algorithm is a hash that a signature is made with. The zero value is the documented one.
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

// Secret is one of a source's webhook secret keys. Printed or logged it shows its name only.
type Secret struct {
	Name string // said where a secret is named: in logs, in events, in counts
	Key  []byte `json:"-"` // never said; an empty one signs nothing and passes nothing
}

// String returns the name.
func (s Secret) String() string { return s.Name }

// GoString returns the name too, so that %#v does not tell the key.
func (s Secret) GoString() string { return "qoreid.Secret(" + s.Name + ")" }

// LogValue returns the name.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.Name) }

// Why a signature does not pass; the words the quarantine keeps.
const (
	Missing   = "missing"   // no signature at all
	Malformed = "malformed" // not as many hex digits as the algorithm gives
	Mismatch  = "mismatch"  // no secret of the source made it
	NoSecret  = "no_secret" // the source has no secret to check with
)

// Sign returns the signature of a body: HMAC over the raw bytes, in lower-case hex (RFC 2104). An algorithm that is
// not Valid signs nothing: the result is empty, and passes nowhere.
func Sign(a Algorithm, key, body []byte) string {
	if !a.Valid() {
		return ""
	}
	mac := hmac.New(a.new(), key)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Verify checks a signature against the raw bytes of a body, and returns the name of the secret that made it; of two
// secrets with the same key the first is named. Either case of the hex digits and spaces around them are accepted,
// nothing else. Otherwise why says what is wrong: Missing, Malformed, NoSecret or Mismatch, in this order of
// precedence. Every secret is tried, and compared in constant time. A secret with an empty key counts as none: anybody
// could sign with it, and a secret file is empty for a moment while it is being rewritten.
//
// A header that came several times is a list with commas (RFC 9110, section 5.3): a proxy may add an empty or an old value.
// The signature passes when one of the list does. Whoever can make one holds the secret, whatever stands beside it.
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
		inbox.Feed(mac, body)
		same := among(given, mac.Sum(nil))
		switch {
		case why == "": // found already; the others are tried all the same
		case same:
			name, why = secrets[i].Name, ""
		default:
			why = Mismatch
		}
	}
	return name, why
}

// signatures returns the well-formed signatures of a list with commas. some reports whether the list has a member at all.
func signatures(a Algorithm, list string) (given [][]byte, some bool) {
	for member := range strings.SplitSeq(list, ",") {
		member = strings.TrimSpace(member)
		some = some || member != ""
		if a.formed(member) {
			sum, _ := hex.DecodeString(member) // it has hex digits alone
			given = append(given, sum)
		}
	}
	return given, some
}

// among reports whether a sum is one of those given. It compares with each, in constant time.
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

// formed reports whether a text has as many hex digits as the algorithm gives, and nothing else.
func (a Algorithm) formed(text string) bool {
	if a.size() == 0 || len(text) != hex.EncodedLen(a.size()) {
		return false
	}
	notHex := func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) }
	return strings.IndexFunc(text, notHex) < 0
}
