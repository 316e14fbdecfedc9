package store

import "inbox/inbox"

// ErrDamaged says that stored bytes are not those that were written.
var ErrDamaged = inbox.ErrDamaged
