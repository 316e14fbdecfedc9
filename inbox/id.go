package inbox

import (
	"encoding/base32"
	"encoding/binary"
	"strconv"
	"strings"
)

// crockford is Crockford's base 32 (https://www.crockford.com/base32.html) in lower case: no i, l, o, u, and its
// order is the order of the numbers, so ids sort as their seqs do.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// idPrefix tells what kind of thing an id names.
const idPrefix = "evt_"

// EventID returns the public id of the event at seq whose digest is given (at least 5 bytes): the seq in eight
// digits, then forty bits of the digest. The seq finds the row without an index; the digest guards against an id
// that was copied wrongly or comes from another store. Seqs up to 2^40 are told apart.
func EventID(seq int64, digest []byte) string {
	var raw [10]byte
	var wide [8]byte
	binary.BigEndian.PutUint64(wide[:], uint64(seq))
	copy(raw[:5], wide[3:])
	copy(raw[5:], digest[:5])
	return idPrefix + crockford.EncodeToString(raw[:])
}

// ParseSeq reads the seq of an event in digits, as in 17, and reports whether it is one.
func ParseSeq(text string) (int64, bool) {
	seq, err := strconv.ParseInt(text, 10, 64)
	return seq, err == nil && seq > 0 && text[0] != '+'
}

// EventSeq returns the seq inside an event id, and whether id has the form of one. Whether the event exists, and
// whether the rest of the id is its own, only the store can tell.
func EventSeq(id string) (int64, bool) {
	rest, ok := strings.CutPrefix(id, idPrefix)
	if !ok || len(rest) != 16 {
		return 0, false
	}
	raw, err := crockford.DecodeString(rest)
	if err != nil {
		return 0, false
	}
	var wide [8]byte
	copy(wide[3:], raw[:5])
	seq := int64(binary.BigEndian.Uint64(wide[:]))
	return seq, seq > 0
}
