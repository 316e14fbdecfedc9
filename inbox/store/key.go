package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

// checkKey makes sure that the key beside the database is the one it was made with.
func (w *writer) checkKey(context.Context) error {
	mac := hmac.New(sha256.New, w.s.digest.key)
	mac.Write([]byte("inbox store key"))
	mark := hex.EncodeToString(mac.Sum(nil))
	var got string
	err := w.conn.get("SELECT value FROM meta WHERE name = 'key_mark'").Scan(&got)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		_, err = w.conn.exec(`INSERT INTO meta (name, value) VALUES ('key_mark', ?), ('oldest_program', '0.1.0')`, mark)
	case err == nil && got != mark:
		return inbox.Errorf(inbox.Invalid, "open store "+w.s.path, "%s is not the key this database was made with", datadir.StoreKey).
			WithHint("restore it from the backup that the database came from")
	}
	if err != nil {
		return openError(w.s.path, err)
	}
	return nil
}
