package store

import (
	"embed"
	"fmt"
	"io/fs"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/store/commit"
)

const (
	applicationID = 0x696e6278 // "inbx": identifies the file to file(1) and to inspect
	oldestSQLite  = "3.51.3"   // earlier versions may corrupt a file when they reset its WAL (https://www.sqlite.org/changes.html)
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate migrates the file to this program's schema, with one transaction for each migration. The schema must not change while a
// server runs: migrate takes the process lock first, unless the caller is the server, which holds it.
func (s *Store) migrate(c *conn) error {
	steps, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	version, err := inspect(c, s.path, len(steps))
	if err != nil || version == len(steps) {
		return err
	}
	if !s.opt.Server {
		lock, err := datadir.TryLock(s.opt.Dir)
		if err != nil {
			return err
		}
		defer lock.Release()
	}
	for i := version; i < len(steps); i++ {
		if err := s.migrateStep(c, steps[i], i); err != nil {
			return fmt.Errorf("migrate %s by %s: %w", s.path, steps[i], err)
		}
	}
	return nil
}

// inspect returns the version of the file's schema, or an error when this program cannot open the file.
func inspect(c *conn, path string, newest int) (int, error) {
	var version, app, tables int
	var sqlite string
	row := c.Get(`SELECT sqlite_version(), (SELECT user_version FROM pragma_user_version),
		(SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)`)
	if err := row.Scan(&sqlite, &version, &app, &tables); err != nil {
		return 0, commit.OpenError(path, err)
	}
	version = commit.VersionOf(version)
	switch {
	case olderVersion(sqlite, oldestSQLite):
		return 0, inbox.Errorf(inbox.Internal, "open store", "SQLite %s is older than %s", sqlite, oldestSQLite)
	case tables > 0 && app != applicationID:
		return 0, inbox.Errorf(inbox.Invalid, "open store "+path, "the file is a SQLite database, but not an inbox store").
			WithHint("name the directory of a store with --data")
	case version > newest:
		return 0, newerFile(c, path, version)
	}
	return version, nil
}

// migrateStep runs one migration, unless another process has run it since the version was read.
func (s *Store) migrateStep(c *conn, name string, from int) error {
	text, err := migrations.ReadFile(name)
	if err != nil {
		return err
	}
	if err := c.Script("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	var version int
	err = c.Get("PRAGMA user_version").Scan(&version)
	if err == nil && commit.VersionOf(version) == from {
		err = c.Script(fmt.Sprintf("%s\nPRAGMA application_id = %d;\n%s;", text, applicationID, commit.SetVersion(version, from+1)))
	}
	if err == nil {
		err = s.opt.Fault(pointMigrate)
	}
	if err == nil {
		err = c.Script("COMMIT")
	}
	if err != nil {
		_ = c.Script("ROLLBACK") // the caller gets the first error
	}
	return err
}

// newerFile returns the error for a file of a newer program. It contains the oldest program version that can open the file, which
// the file stores.
func newerFile(c *conn, path string, version int) error {
	oldest := "a newer one"
	// The error is ignored: a newer program may have changed even this table.
	_ = c.Get("SELECT value FROM meta WHERE name = 'oldest_program'").Scan(&oldest)
	return inbox.Errorf(inbox.Invalid, "open store "+path, "the store has version %d; it needs inbox %s or later", version, oldest).
		WithHint("install that version, or restore a backup made by this one")
}

// olderVersion reports whether version a is older than b. Both have the form "x.y.z".
func olderVersion(a, b string) bool {
	var x, y [3]int
	fmt.Sscanf(a, "%d.%d.%d", &x[0], &x[1], &x[2])
	fmt.Sscanf(b, "%d.%d.%d", &y[0], &y[1], &y[2])
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}
