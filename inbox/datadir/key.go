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

// MaxKeyFile bounds what is read of a file in the key's place, in bytes.
const MaxKeyFile = 4096

// ReadKey reads the store's key, which makes digests that say nothing without it. A store without its
// key is refused, because every duplicate would be taken for new.
func ReadKey(keyPath, dbPath string) ([]byte, error) {
	key, err := Read(keyPath, MaxKeyFile)
	switch {
	case err == nil && len(key) == keyLength:
		return key, nil
	case err == nil:
		return nil, inbox.Errorf(inbox.Invalid, "read "+keyPath, "the store's key has %d bytes, not %d", len(key), keyLength).
			WithHint("restore it from the backup that the database came from")
	case errors.Is(err, ErrKind), errors.Is(err, ErrSize):
		return nil, inbox.Errorf(inbox.Invalid, "read "+keyPath, "%w", err).WithHint("restore it from the backup that the database came from")
	case !errors.Is(err, fs.ErrNotExist):
		return nil, inbox.Errorf(inbox.Unavailable, "read the store's key", "%w", err).WithHint("it must be readable by this user")
	}
	return nil, inbox.Errorf(inbox.Invalid, "open store "+dbPath, "its key %s is missing", keyPath).
		WithHint("restore it from the backup that the database came from; without it duplicates cannot be recognised")
}

// EnsureKey makes the key of a new store, or reads the one that a start made which was cut off.
func EnsureKey(path string) ([]byte, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return ReadKey(path, "") // or says what is wrong with it
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
