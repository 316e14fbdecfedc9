package store

import (
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"inbox/inbox"
)

// Kinds of contents. The schema accepts any positive number, because later versions add kinds.
const (
	contentEvent   = 1
	contentRefused = 2
	contentLog     = 3
	contentReason  = 4
	contentState   = 5
	contentKV      = 6
	contentRequest = 8
	contentAnswer  = 9
	contentFetch   = 10
)

// Encodings of contents.
const (
	encodingRaw  = 1 // the bytes as they are
	encodingBody = 2 // length of the headers (uvarint), headers as JSON, body

	encodingHeaded = 3 // as encodingBody, with the head of a request or response in place of the headers
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum returns the CRC-32C of b. SQLite's integrity check does not find a flipped byte of a payload.
func checksum(b []byte) int64 { return int64(crc32.Checksum(b, castagnoli)) }

// contentIDs allocates the ids of contents. The id of a deleted row is never used again, because erasures, encryption keys and
// backups refer to contents by id. So ids are reserved in the table meta, contentIDsStep ids at a time. A start continues after the
// highest reserved id and skips unused ones.
type contentIDs struct {
	last     int64 // the last allocated id
	reserved int64 // the highest id that may be allocated
}

const (
	contentIDsStep   = 4096
	contentsReserved = "contents_reserved" // name in meta of the highest reserved id
)

// loadContentIDs reads the highest reserved id. A store without it has no contents, or was written by a version that let SQLite
// choose ids.
func loadContentIDs(c *conn) (contentIDs, error) {
	var reserved int64
	err := c.Get(`SELECT max(coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = ?), 0), coalesce((SELECT max(id) FROM contents), 0))`, contentsReserved).
		Scan(&reserved)
	return contentIDs{last: reserved, reserved: reserved}, err
}

// contentID allocates the next id.
func (t *tx) contentID() (int64, error) {
	ids := &t.contents
	if ids.last >= ids.reserved {
		reserved := ids.last + contentIDsStep
		if err := t.setMeta(contentsReserved, reserved); err != nil {
			return 0, err
		}
		ids.reserved = reserved
	}
	ids.last++
	return ids.last, nil
}

// subject returns the mode and key of an event. Contents are erased by subject.
func subject(mode inbox.Mode, key string) string { return string(mode) + "/" + key }

const insertContent = `INSERT INTO contents (id, kind, subject, root_seq, ` + contentsColumns + `)
	VALUES (?1, ?2, coalesce(?3, (SELECT mode || '/' || key FROM events WHERE seq = ?4)), ?4, ?5, NULL, ?6, ?7)`

// put stores bytes and returns the id of their row. root is the event that they belong to and whose subject they get; 0 means no
// event.
func (t *tx) put(kind, encoding int, root int64, b []byte) (int64, error) {
	return t.putFor(nil, kind, encoding, root, b)
}

// putFor is put with a given subject, for an event whose row is not written yet. nil means the subject of the root.
func (t *tx) putFor(of any, kind, encoding int, root int64, b []byte) (int64, error) {
	var rootSeq any
	if root != 0 {
		rootSeq = root
	}
	id, err := t.contentID()
	if err != nil {
		return 0, err
	}
	_, err = t.exec(insertContent, id, kind, of, rootSeq, encoding, b, checksum(b))
	return id, err
}

// putAt is put with an id that was allocated, for the mode and key of the root, which saves reading them. An empty key means that
// they are not known.
func (t *tx) putAt(id int64, kind, encoding int, root int64, of inbox.LaneID, b []byte) error {
	var about any
	if of.Key != "" {
		about = subject(of.Mode, of.Key)
	}
	if b == nil {
		b = []byte{} // nil is NULL
	}
	_, err := t.exec(insertContent, id, kind, about, root, encoding, b, checksum(b))
	return err
}

// putText is put for a text. An empty text has no row, and its id is nil.
func (t *tx) putText(kind int, root int64, b []byte) (any, error) {
	if len(b) == 0 {
		return nil, nil
	}
	return t.put(kind, encodingRaw, root, b)
}

// packPayload encodes headers and body as one value.
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

// contentsColumns are the columns of contents that make a content, in the order of into.
const contentsColumns = `encoding, key_id, bytes, checksum`

// contentColumns are contentsColumns of the table under an alias.
func contentColumns(alias string) string { return qualified(alias, contentsColumns) }

// content is a row of contents, not yet checked. A missing row has no checksum.
type content struct {
	encoding, keyID, sum sql.NullInt64
	bytes                []byte
}

// into returns the destinations of contentsColumns.
func (c *content) into() []any { return []any{&c.encoding, &c.keyID, &c.bytes, &c.sum} }

// open checks the bytes and returns them. Its error wraps inbox.ErrDamaged when the bytes differ from those that were written, and
// when the row is missing.
func (c *content) open(encoding int64) ([]byte, error) {
	switch {
	case !c.sum.Valid:
		return nil, fmt.Errorf("%w: their row is missing", inbox.ErrDamaged)
	case c.keyID.Valid || c.encoding.Int64 != encoding:
		return nil, inbox.Errorf(inbox.Internal, "", "the stored bytes have encoding %d, which this version cannot read", c.encoding.Int64).
			WithHint("install the version that wrote them")
	case checksum(c.bytes) != c.sum.Int64:
		return nil, inbox.ErrDamaged
	}
	return c.bytes, nil
}

// payload returns the payload that packPayload encoded.
func (c *content) payload() (inbox.Payload, error) {
	b, err := c.open(encodingBody)
	if err != nil {
		return inbox.Payload{}, err
	}
	return unpackPayload(b)
}

// text returns a stored text, empty for a missing row. For damaged bytes it returns a note instead of an error, so that the rest of
// an attempt can be shown.
func (c *content) text() []byte {
	if !c.sum.Valid {
		return nil
	}
	b, err := c.open(encodingRaw)
	if errors.Is(err, inbox.ErrDamaged) {
		return []byte("(the stored text is damaged)")
	}
	if err != nil {
		return []byte("(" + err.Error() + ")")
	}
	return b
}

// unpackPayload decodes a value of packPayload.
func unpackPayload(b []byte) (inbox.Payload, error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return inbox.Payload{}, inbox.ErrDamaged
	}
	var p inbox.Payload
	headers := b[used : used+int(n)]
	if err := json.Unmarshal(headers, &p.Headers); err != nil {
		return inbox.Payload{}, fmt.Errorf("%w: %w", inbox.ErrDamaged, err)
	}
	p.Body = b[used+int(n):]
	return p, nil
}
