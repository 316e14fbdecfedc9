package commit

import (
	"errors"

	"inbox/inbox"
)

// Result codes of SQLite (https://www.sqlite.org/rescode.html). Errors are told apart by code, never by text.
const (
	codeError    = 1
	codeBusy     = 5
	codeReadOnly = 8
	codeIOErr    = 10
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeNotADB   = 26

	codeFsync    = 1034 // SQLITE_IOERR_FSYNC
	codeDirFsync = 1290 // SQLITE_IOERR_DIR_FSYNC
)

// extended returns the extended result code in err's chain, 0 without one.
func extended(err error) int {
	var e interface {
		error
		Code() int
	}
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// primary returns the primary result code in err's chain, 0 without one.
func primary(err error) int { return extended(err) & 0xff }

// AsDamaged returns an error with the text of cause that errors.Is matches with [inbox.ErrDamaged].
func AsDamaged(cause error) error { return &damaged{cause} }

// damaged is an error about a value that an undamaged store cannot contain. errors.Is matches it with inbox.ErrDamaged.
type damaged struct{ cause error }

// Error returns the text of the cause.
func (u *damaged) Error() string { return u.cause.Error() }

// Unwrap returns the cause.
func (u *damaged) Unwrap() error { return u.cause }

// Is reports whether target is [inbox.ErrDamaged].
func (u *damaged) Is(target error) bool { return target == inbox.ErrDamaged }

// IsDamaged reports whether a read error means that the file is damaged. These are SQLite's codes for damage, and values that the
// schema does not allow, such as a text in place of a number.
func IsDamaged(err error) bool {
	switch primary(err) {
	case codeCorrupt, codeNotADB, codeError:
		return true
	}
	return errors.Is(err, inbox.ErrDamaged)
}

// FlushFailed reports whether err is a failed flush: the system could not write data to the disk.
func FlushFailed(err error) bool {
	code := extended(err)
	return code == codeFsync || code == codeDirFsync
}

// DiskFailed reports whether the disk failed, not the statement. Other writes would fail, too.
func DiskFailed(err error) bool {
	switch primary(err) {
	case codeFull, codeIOErr, codeCantOpen, codeReadOnly, codeCorrupt, codeNotADB, codeBusy:
		return true
	}
	return false
}

// Unavailable turns a failure of the disk into an Unavailable error of the operation op, with a hint. Other errors, and nil, are
// returned as they are.
func Unavailable(op string, err error) error {
	if err == nil || !DiskFailed(err) {
		return err
	}
	e := inbox.Errorf(inbox.Unavailable, op, "%w", err)
	switch primary(err) {
	case codeFull:
		return e.WithHint("the disk is full: free some space; nothing that was acknowledged is lost")
	case codeCorrupt, codeNotADB:
		return e.WithHint("the database is damaged: stop the server, run `inbox db check`, restore a backup")
	}
	return e.WithHint("see the system's log for errors of the disk")
}
