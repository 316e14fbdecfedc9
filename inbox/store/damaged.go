package store

import "inbox/inbox"

// ErrDamaged is [inbox.ErrDamaged]: stored bytes differ from the bytes that were written.
var ErrDamaged = inbox.ErrDamaged
