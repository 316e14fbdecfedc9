// Package datadir manages the data directory of a store: its file names, owners and modes, the lock that a server holds, the free
// disk space, and atomic writes.
//
// It also reads files that other programs wrote, with bounds on their size, their kind and the time of a read. Without the bounds,
// a link to /dev/zero would fill the memory, and a pipe could block its reader for ever. A file may also grow or be replaced
// between its stat and the read.
//
// It promises that a file gets its name only when it is complete and flushed, and that one process at a time holds the lock.
// It does not read the database: package store does.
package datadir

// Names in a data directory.
const (
	Database    = "inbox.db"        // SQLite's file
	WAL         = Database + "-wal" // SQLite's write-ahead log
	NewDatabase = Database + ".new" // a database that is being created
	StoreKey    = "store.key"       // the key of the digests
	LockFile    = "inbox.lock"
	HolderFile  = "inbox.server" // names the server that holds the lock
	Socket      = "inbox.sock"   // the operator's
	Token       = "api.token"    // the operator's
	Plugins     = "plugins"      // modules and manifests that operators install
	Releases    = "releases"     // modules of releases, by their ids
	Cache       = "cache"        // machine code
)
