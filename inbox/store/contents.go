package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"inbox/inbox"
)

// Kinds of contents; the schema's CHECK lists the same.
const (
	contentEvent   = 1
	contentRefused = 2
	contentLog     = 3
	contentReason  = 4
)

// Encodings of contents.
const (
	encodingRaw  = 1 // the bytes as they are
	encodingBody = 2 // length of the headers (uvarint), headers as JSON, body
)

// ErrDamaged says that stored bytes are not those that were written.
var ErrDamaged = errors.New("the stored bytes are damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is CRC-32C: SQLite's own integrity check does not see a flipped byte of a payload.
func checksum(b []byte) int64 { return int64(crc32.Checksum(b, castagnoli)) }

const insertContent = `INSERT INTO contents (kind, root_seq, encoding, bytes, checksum) VALUES (?, ?, ?, ?, ?)`

// put stores bytes and returns the id of their row; root is the event they came from, 0 for none.
func (t *tx) put(kind, encoding int, root int64, b []byte) (int64, error) {
	var rootSeq any
	if root != 0 {
		rootSeq = root
	}
	res, err := t.exec(insertContent, kind, rootSeq, encoding, b, checksum(b))
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// putText is put for a text that may be empty, which has no row and the id nil.
func (t *tx) putText(kind int, root int64, b []byte) (any, error) {
	if len(b) == 0 {
		return nil, nil
	}
	return t.put(kind, encodingRaw, root, b)
}

// packPayload lays headers and body into one value.
func packPayload(p *inbox.Payload) ([]byte, error) {
	headers := []byte("[]")
	if len(p.Headers) > 0 {
		var err error
		if headers, err = json.Marshal(p.Headers); err != nil {
			return nil, fmt.Errorf("encode headers: %w", err)
		}
	}
	out := make([]byte, 0, binary.MaxVarintLen64+len(headers)+len(p.Body))
	out = binary.AppendUvarint(out, uint64(len(headers)))
	out = append(out, headers...)
	return append(out, p.Body...), nil
}

// unpackPayload checks and takes apart what packPayload made.
func unpackPayload(b []byte, sum int64) (inbox.Payload, error) {
	if checksum(b) != sum {
		return inbox.Payload{}, ErrDamaged
	}
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return inbox.Payload{}, ErrDamaged
	}
	var p inbox.Payload
	headers := b[used : used+int(n)]
	if err := json.Unmarshal(headers, &p.Headers); err != nil {
		return inbox.Payload{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	p.Body = b[used+int(n):]
	return p, nil
}
