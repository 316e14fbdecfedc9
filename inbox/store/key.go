package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

const keyLength = 32

// maxKeyFile bounds what is read of a file in the key's place, in bytes.
const maxKeyFile = 4096

// readKey reads the store's key, which makes digests that tell nothing to who has only the database. A store without its
// key is refused, because every duplicate would be taken for new.
func readKey(keyPath, dbPath string) ([]byte, error) {
	key, err := datadir.Read(keyPath, maxKeyFile)
	switch {
	case err == nil && len(key) == keyLength:
		return key, nil
	case err == nil:
		return nil, inbox.Errorf(inbox.Invalid, "read "+keyPath, "the store's key has %d bytes, not %d", len(key), keyLength).
			WithHint("restore it from the backup that the database came from")
	case errors.Is(err, datadir.ErrKind), errors.Is(err, datadir.ErrSize):
		return nil, inbox.Errorf(inbox.Invalid, "read "+keyPath, "%w", err).WithHint("restore it from the backup that the database came from")
	case !errors.Is(err, fs.ErrNotExist):
		return nil, inbox.Errorf(inbox.Unavailable, "read the store's key", "%w", err).WithHint("it must be readable by this user")
	}
	return nil, inbox.Errorf(inbox.Invalid, "open store "+dbPath, "its key %s is missing", keyPath).
		WithHint("restore it from the backup that the database came from; without it duplicates cannot be recognised")
}

// ensureKey makes the key of a new store, or reads the one that a start made which was cut off.
func ensureKey(path string) ([]byte, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return readKey(path, "") // or says what is wrong with it
	}
	key := make([]byte, keyLength)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make the store's key: %w", err)
	}
	if err := putKey(path, key); err != nil {
		return nil, inbox.Errorf(inbox.Unavailable, "write the store's key", "%w", err)
	}
	return key, nil
}

// putKey writes a new key under its name only when it is whole and on the disk: a program that is killed meanwhile
// must not leave half of one, nor a database whose key the disk has forgotten.
func putKey(path string, key []byte) error {
	part := path + ".new"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // left over from a program that was killed
	}
	if err := writeSynced(part, key); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return datadir.SyncDir(filepath.Dir(path))
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	return joinClose(err, f.Close)
}

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
