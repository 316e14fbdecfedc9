// Package datadir is the data directory of a store: the names in it, who may use them, the lock that a server holds, the free
// disk space, and files that are written whole or not at all. It also reads files that somebody else wrote, within bounds.
//
// It promises that a file has its name only when it is whole and on the disk, and that one process at a time holds the lock.
// It knows nothing of what is in the database: that is the store's.
package datadir

// Names in a data directory.
const (
	Database    = "inbox.db"        // SQLite's file
	WAL         = Database + "-wal" // SQLite's write-ahead log
	NewDatabase = Database + ".new" // a database that is being made
	StoreKey    = "store.key"       // the key of the digests
	LockFile    = "inbox.lock"
	NoteFile    = "inbox.server" // says who holds the lock
	Socket      = "inbox.sock"   // the operator's
	Token       = "api.token"    // the operator's
	Plugins     = "plugins"      // modules and manifests that an operator puts down
	Releases    = "releases"     // modules of releases, by their ids
	Cache       = "cache"        // machine code
)
