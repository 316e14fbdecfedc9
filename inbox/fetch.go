package inbox

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Fetched is one call of http_fetch: an entry of the journal of an attempt. What it holds of the request and the response may be
// personal data.
type Fetched struct {
	Method    string
	URL       string
	Origin    string      // of the url, see [EffectLane]
	Digest    FetchDigest // of the request
	Document  []byte      // the answer as the plugin got it, see [AnswerDocument]; empty when the fetch ended the attempt
	Status    int         // of the response; 0 without one
	Why       string      // without a response: why, in the host's words
	Ended     Result      // the failure with which the fetch ended the attempt; empty: the plugin got the answer
	StartedAt time.Time
	Duration  time.Duration
	Again     bool // the answer is of the journal of an earlier attempt, and no connection was opened
}

// Journal answers the fetches of an attempt that opens no connection. It holds the fetches of an earlier attempt.
type Journal struct{ Fetches []Fetched }

// Bounds of the fetches of one attempt.
const (
	MaxFetches      = 16        // calls of http_fetch
	MaxFetchedBody  = 256 << 10 // bytes of the body of one response; a longer body is cut
	MaxFetchedBytes = 4 << 20   // bytes of all answers; no fetch begins beyond it
)

// FetchDigest identifies a request of http_fetch among those of a journal.
type FetchDigest [sha256.Size]byte

// DigestFetch returns the SHA-256 of a request: method, url, headers, templates of secrets, signature and body.
func DigestFetch(r *Request) FetchDigest {
	head, err := json.Marshal(struct {
		Method, URL string
		Headers     []Header
		Secrets     map[string]string // encoded in the order of their names
		Sign        Signing
	}{r.Method, r.URL, r.Headers, r.Secrets, r.Sign})
	if err != nil {
		head = nil // texts never fail
	}
	h := sha256.New()
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(head))))
	h.Write(head)
	h.Write(r.Body)
	return FetchDigest(h.Sum(nil))
}

// FetchKey returns the idempotency key of a fetch. An attempt that a crash repeats asks with the same key. Another attempt or run asks
// anew. delivery is the delivery's id, which no other delivery has, and index the place of the fetch in its attempt. The key has 32
// hexadecimal digits, as that of [IdempotencyKey].
func FetchKey(delivery string, run int64, attempt, index int, d FetchDigest) string {
	h := sha256.New()
	for _, part := range [][]byte{[]byte("inbox fetch key 1"), []byte(delivery), d[:]} {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	var tail [24]byte
	binary.LittleEndian.PutUint64(tail[:8], uint64(run))
	binary.LittleEndian.PutUint64(tail[8:], uint64(attempt))
	binary.LittleEndian.PutUint64(tail[16:], uint64(index))
	h.Write(tail[:])
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// FailedFetchDocument returns the answer to a fetch that got no response: the object of [AnswerDocument] with status null and an
// error.
func FailedFetchDocument(why string) []byte {
	a := answer{Headers: map[string]string{}, Error: why}
	return a.encode()
}
