package datadir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"inbox/inbox"
)

const keyLength = 32

// MaxKeyFile is the most bytes that are read of the key's file. A larger file is not a key.
const MaxKeyFile = 4096

// ReadKey returns the store's key, with which digests are computed. It returns an Invalid error when the key of the database at
// dbPath is missing or is not a key. A store is not opened without its key, because duplicates would be stored as new events.
func ReadKey(keyPath, dbPath string) ([]byte, error) {
	key, err := Read(keyPath, MaxKeyFile)
	switch {
	case err == nil && len(key) == keyLength:
		return key, nil
	case err == nil:
		return nil, inbox.Errorf(inbox.Invalid, "read "+keyPath, "the store's key has %d bytes, not %d", len(key), keyLength).
			WithHint("restore it from the backup that the database came from")
	case errors.Is(err, ErrNotRegular), errors.Is(err, ErrTooLarge):
		return nil, inbox.Errorf(inbox.Invalid, "read "+keyPath, "%w", err).WithHint("restore it from the backup that the database came from")
	case !errors.Is(err, fs.ErrNotExist):
		return nil, inbox.Errorf(inbox.Unavailable, "read the store's key", "%w", err).WithHint("it must be readable by this user")
	}
	return nil, inbox.Errorf(inbox.Invalid, "open store "+dbPath, "its key %s is missing", keyPath).
		WithHint("restore it from the backup that the database came from; without it duplicates cannot be recognised")
}

// EnsureKey creates the key of a new store. When an earlier start was interrupted and left a key, EnsureKey returns that one.
func EnsureKey(path string) ([]byte, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return ReadKey(path, "")
	}
	key := make([]byte, keyLength)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make the store's key: %w", err)
	}
	err := RemoveUnfinished(path)
	if err == nil {
		err = WriteFile(path, key, 0o600)
	}
	if err != nil {
		return nil, inbox.Errorf(inbox.Unavailable, "write the store's key", "%w", err)
	}
	return key, nil
}
