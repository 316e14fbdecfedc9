package store

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"math/bits"
	"net/netip"
	"strconv"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

// The quarantine has bounds in requests and in bytes. A sender may use all of it while no other sender needs the space. When a
// bound is exceeded, requests are dropped from the largest share, by these levels, each within the one before:
//
//	class    requests without a well-formed signature are dropped first, then those of classes that exceed their part, in the order of classes
//	network  an IPv4 /24 or an IPv6 /48
//	address  an IPv4 address or an IPv6 /64, which providers assign to one customer
//	sender   one of eight groups of User-Agents, and order of size, so that fewer and smaller requests behind a proxy outlast
//	         many or large ones; with a share for every User-Agent, a new one in each request would displace all others
//	slot     ten seconds of arrival times, so that a burst displaces itself
//
// Within a slot the requests with the lowest digests are dropped. The digests are made with the store's key, so a sender cannot
// choose which requests stay. A sender holds at most a fair part, and may use free space beyond it: this is max-min fairness
// (Bertsekas and Gallager, Data Networks, 1992, section 6.5.2). A request costs a bounded number of index searches.
const shareLevels = 5

// largeRefused is the size above which a refused request belongs to a class of large ones, so that a large request does not
// displace many small ones. QoreID's bodies have up to 10 KB without photos.
const largeRefused = 64 << 10

// agentGroups is the number of groups of User-Agents within an address.
const agentGroups = 8

// slotMillis is the length of a slot of time.
const slotMillis = 10_000

// class is a part of the quarantine.
type class struct {
	name  string
	parts int64 // sixteenths of both bounds that are reserved for the class
}

// classes returns the classes in the order in which their requests are dropped.
func classes() []class {
	return []class{{"unsigned", 0}, {"other/large", 1}, {"known/large", 3}, {"other", 2}, {"known", 10}}
}

// classOf returns the class of a refused request: without a well-formed signature, with one over an event that QoreID documents,
// or with one over any other body. The last two differ because few strangers know QoreID's envelopes.
func classOf(r *inbox.Refused, size int) string {
	name := "other"
	switch {
	case !inbox.CouldPass(r.Why):
		return "unsigned"
	case r.Known:
		name = "known"
	}
	if size > largeRefused {
		name += "/large"
	}
	return name
}

// sharePath returns the names of the shares that a request counts in.
func sharePath(r *inbox.Refused, size int) [shareLevels]string {
	network, address := networkOf(r.Address)
	agent := sha256.Sum256([]byte(inbox.HeaderValue(r.Payload.Headers, "user-agent")))
	sender := strconv.Itoa(int(agent[0])%agentGroups) + "/" + strconv.Itoa(bits.Len(uint(size)>>10))
	return [shareLevels]string{classOf(r, size), network, address, sender, strconv.FormatInt(millis(r.ReceivedAt)/slotMillis, 10)}
}

// networkOf returns the network and the address that a client address counts for.
func networkOf(text string) (network, address string) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return "", text
	}
	wide, narrow := 24, 32
	if a = a.Unmap().WithZone(""); a.Is6() {
		wide, narrow = 48, 64
	}
	return netip.PrefixFrom(a, wide).Masked().String(), netip.PrefixFrom(a, narrow).Masked().String()
}

// addToShares adds a request to its shares, and returns the slot.
func (t *tx) addToShares(path [shareLevels]string, size int) (slot int64, err error) {
	for _, name := range path {
		err := t.get(`INSERT INTO refused_shares (parent, name, count, bytes) VALUES (?, ?, 1, ?)
			ON CONFLICT (parent, name) DO UPDATE SET count = count + 1, bytes = bytes + excluded.bytes RETURNING id`, slot, name, size).Scan(&slot)
		if err != nil {
			return 0, err
		}
	}
	return slot, nil
}

// removeFromShares subtracts a request from its shares.
func (t *tx) removeFromShares(slot, size int64) error {
	for id := slot; id != 0; {
		var parent, count int64
		err := t.get(`UPDATE refused_shares SET count = count - 1, bytes = bytes - ? WHERE id = ? RETURNING parent, count`, size, id).Scan(&parent, &count)
		if err != nil {
			return err
		}
		if count == 0 {
			if _, err := t.exec(`DELETE FROM refused_shares WHERE id = ?`, id); err != nil {
				return err
			}
		}
		id = parent
	}
	return nil
}

// freeSpace drops requests until the quarantine is within its bounds.
func (t *tx) freeSpace(b inbox.QuarantineBounds) error {
	for {
		share, cause, err := t.overfull(b)
		if err != nil || cause == "" {
			return err
		}
		measure := map[string]string{droppedCount: largestByCount, droppedBytes: largestByBytes}[cause]
		for range shareLevels - 1 {
			if err := t.get(measure, share).Scan(&share); err != nil {
				return err
			}
		}
		var id int64
		if err := t.get(`SELECT id FROM refused WHERE share = ? ORDER BY digest LIMIT 1`, share).Scan(&id); err != nil {
			return err
		}
		if err := t.dropRefused(id, cause); err != nil {
			return err
		}
	}
}

// The largest share within another one. Of equal shares the newest is chosen.
const (
	largestByCount = `SELECT id FROM refused_shares WHERE parent = ? ORDER BY count DESC, id DESC LIMIT 1`
	largestByBytes = `SELECT id FROM refused_shares WHERE parent = ? ORDER BY bytes DESC, id DESC LIMIT 1`
)

// overfull returns the class to drop a request from, and the exceeded bound as the cause. The cause is empty when no bound is
// exceeded.
func (t *tx) overfull(b inbox.QuarantineBounds) (share int64, cause string, err error) {
	held := map[string]inbox.QuarantineStats{}
	ids := map[string]int64{}
	var count, bytes int64
	rows, err := t.query(`SELECT id, name, count, bytes FROM refused_shares WHERE parent = 0`)
	if err != nil {
		return 0, "", err
	}
	for rows.Next() {
		var id, n, size int64
		var name string
		if err := rows.Scan(&id, &name, &n, &size); err != nil {
			return 0, "", commit.JoinClose(err, rows.Close)
		}
		ids[name], held[name] = id, inbox.QuarantineStats{Count: n, Bytes: size}
		count, bytes = count+n, bytes+size
	}
	if err := commit.JoinClose(rows.Err(), rows.Close); err != nil || count <= b.Count && bytes <= b.Bytes {
		return 0, "", err
	}
	for _, c := range classes() {
		h := held[c.name]
		switch {
		case count > b.Count && h.Count > b.Count*c.parts/16:
			return ids[c.name], droppedCount, nil
		case count <= b.Count && h.Bytes > b.Bytes*c.parts/16:
			return ids[c.name], droppedBytes, nil
		}
	}
	return 0, "", errors.New("the counts of the quarantine's classes are inconsistent") // the parts of the classes add up to 16
}

// dropRefused deletes a refused request and counts it.
func (t *tx) dropRefused(id int64, cause string) error {
	why, err := t.deleteRefused(id)
	if err != nil {
		return err
	}
	return t.countDropped(dropped{cause, why}, 1)
}

// deleteRefused deletes a refused request with its contents, and returns the fault of its signature. It returns [sql.ErrNoRows]
// when the request does not exist.
func (t *tx) deleteRefused(id int64) (why string, err error) {
	var share, size, content int64
	err = t.get(`DELETE FROM refused WHERE id = ? RETURNING why, share, size, content_id`, id).Scan(&why, &share, &size, &content)
	if err != nil {
		return "", err
	}
	if _, err := t.exec(`DELETE FROM contents WHERE id = ?`, content); err != nil {
		return "", err
	}
	return why, t.removeFromShares(share, size)
}

// expireBatch is the number of requests that a transaction drops because of their age.
const expireBatch = 64

// expire drops requests that are too old, and reports whether there may be more.
func (t *tx) expire(b inbox.QuarantineBounds) (more bool, err error) {
	for range expireBatch {
		var id int64
		err := t.get(`SELECT id FROM refused WHERE received_at < ? ORDER BY received_at LIMIT 1`, t.now-b.Age.Milliseconds()).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if err := t.dropRefused(id, droppedAge); err != nil {
			return false, err
		}
	}
	return true, nil
}
