package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/store/commit"
)

// checkKey returns an error when the key in the directory is not the database's key. It stores the mark of the key in a new
// database.
func (s *Store) checkKey(c *conn) error {
	mac := hmac.New(sha256.New, s.digest.key)
	mac.Write([]byte("inbox store key"))
	mark := hex.EncodeToString(mac.Sum(nil))
	var stored string
	err := c.Get("SELECT value FROM meta WHERE name = 'key_mark'").Scan(&stored)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		_, err = c.Exec(`INSERT INTO meta (name, value) VALUES ('key_mark', ?), ('oldest_program', '0.1.0')`, mark)
	case err == nil && stored != mark:
		return inbox.Errorf(inbox.Invalid, "open store "+s.path, "%s is not the key of this database", datadir.StoreKey).
			WithHint("restore it from the backup that the database came from")
	}
	if err != nil {
		return commit.OpenError(s.path, err)
	}
	return nil
}
