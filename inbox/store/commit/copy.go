package commit

import (
	"context"
)

// VacuumInto copies a database into an empty file. It uses a connection of its own, because the readers' connections cannot run
// VACUUM. The copy is consistent and has a mark of its own. VacuumInto does not flush it.
func VacuumInto(ctx context.Context, from, to string) error {
	db, err := OpenFile(from)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, to)
	if err = JoinClose(err, db.Close); err != nil {
		return err
	}
	return remark(ctx, to)
}

// remark sets a new random mark in a copy. Otherwise the original's log would be accepted as the copy's log.
func remark(ctx context.Context, path string) error {
	db, err := OpenFile(path)
	if err != nil {
		return err
	}
	var now int
	err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&now)
	if err == nil {
		_, err = db.ExecContext(ctx, userVersion(randomMark(), VersionOf(now)))
	}
	return JoinClose(err, db.Close)
}
