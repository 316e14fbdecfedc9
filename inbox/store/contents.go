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

// Kinds of contents. The schema takes any that is positive: later versions add some.
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

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is CRC-32C: SQLite's own integrity check does not see a flipped byte of a payload.
func checksum(b []byte) int64 { return int64(crc32.Checksum(b, castagnoli)) }

// contentIDs are the ids of contents that the writer may give. A row that is deleted must not leave its id to another
// one: what was erased, encrypted or backed up by its id would be taken for the new one. So the ids do not come from the
// table but from a mark in the table meta, which is raised by contentsReserve before the first of them is given. A start
// begins after the mark; the ids it skips are not missed.
type contentIDs struct {
	last     int64 // given last
	reserved int64 // the highest that may be given: the mark
}

const (
	contentsReserve = 4096
	contentsMark    = "contents_reserved" // in meta
)

// loadContentIDs reads the mark. A store without one has given none, or was made by a version that let SQLite choose.
func loadContentIDs(c *conn) (contentIDs, error) {
	var mark int64
	err := c.Get(`SELECT max(coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = ?), 0), coalesce((SELECT max(id) FROM contents), 0))`, contentsMark).Scan(&mark)
	return contentIDs{last: mark, reserved: mark}, err
}

// contentID gives the next id.
func (t *tx) contentID() (int64, error) {
	ids := &t.contents
	if ids.last >= ids.reserved {
		mark := ids.last + contentsReserve
		if err := t.setMeta(contentsMark, mark); err != nil {
			return 0, err
		}
		ids.reserved = mark
	}
	ids.last++
	return ids.last, nil
}

// subject names what the contents of an event are about, so that they can be erased by it: its mode and key.
func subject(mode inbox.Mode, key string) string { return string(mode) + "/" + key }

const insertContent = `INSERT INTO contents (id, kind, subject, root_seq, encoding, bytes, checksum)
	VALUES (?1, ?2, coalesce(?3, (SELECT mode || '/' || key FROM events WHERE seq = ?4)), ?4, ?5, ?6, ?7)`

// put stores bytes and returns the id of their row; root is the event they came from, whose subject they get, 0 for
// none.
func (t *tx) put(kind, encoding int, root int64, b []byte) (int64, error) {
	return t.putFor(nil, kind, encoding, root, b)
}

// putFor is put for a subject that is given: that of an event whose row is not written yet. nil: that of the root.
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

// contentColumns are the columns that make a content, of the table under an alias, in the order of into.
func contentColumns(alias string) string {
	return fmt.Sprintf("%[1]s.encoding, %[1]s.key_id, %[1]s.bytes, %[1]s.checksum", alias)
}

// content is a row of contents as it was read. One whose row is not there has no checksum.
type content struct {
	encoding, keyID, sum sql.NullInt64
	bytes                []byte
}

// into returns where contentColumns are read to.
func (c *content) into() []any { return []any{&c.encoding, &c.keyID, &c.bytes, &c.sum} }

// open returns the bytes after checking them: an error that wraps ErrDamaged when they are not those that were written,
// or are gone though nobody purged them.
func (c *content) open(encoding int64) ([]byte, error) {
	switch {
	case !c.sum.Valid:
		return nil, fmt.Errorf("%w: they are gone", ErrDamaged)
	case c.keyID.Valid || c.encoding.Int64 != encoding:
		return nil, inbox.Errorf(inbox.Internal, "", "the stored bytes have encoding %d, which this version cannot read", c.encoding.Int64).
			WithHint("install the version that wrote them")
	case checksum(c.bytes) != c.sum.Int64:
		return nil, ErrDamaged
	}
	return c.bytes, nil
}

// payload returns the payload that packPayload laid into the content.
func (c *content) payload() (inbox.Payload, error) {
	b, err := c.open(encodingBody)
	if err != nil {
		return inbox.Payload{}, err
	}
	return unpackPayload(b)
}

// text returns a stored text, empty when there is none. When its bytes are not those that were written, it says so in its
// place: what else is known of an attempt is still worth showing.
func (c *content) text() []byte {
	if !c.sum.Valid {
		return nil
	}
	b, err := c.open(encodingRaw)
	if errors.Is(err, ErrDamaged) {
		return []byte("(the stored text is damaged)")
	}
	if err != nil {
		return []byte("(" + err.Error() + ")")
	}
	return b
}

// unpackPayload takes apart what packPayload made.
func unpackPayload(b []byte) (inbox.Payload, error) {
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
