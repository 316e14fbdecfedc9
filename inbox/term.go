package inbox

import "errors"

// Term numbers the lives of whoever settles the work of a plugin. A store returns it when the work begins, each settlement
// carries it, and each new life has a higher one. On SQLite a term is the life of one server and counts from 1; a store for
// several machines gives one with each lease of a plugin.
type Term int64

// ErrFenced is how a settlement ends that belongs to an earlier term: it changes nothing and is no attempt. A store also
// returns it when the work of a plugin may not begin, because a newer term has begun.
var ErrFenced error = Errorf(Conflict, "", "a newer server has taken over: what this one settles is not recorded")

// SettlementEnd is how a settlement ended.
type SettlementEnd string

// The ends.
const (
	EndCommitted SettlementEnd = "committed" // all of it is durable
	EndFenced    SettlementEnd = "fenced"    // it is of an earlier term: it changed nothing, and the plugin is another's
	EndFailed    SettlementEnd = "failed"    // the store could not record it: the plugin begins again from what is stored
)

// EndOf returns how a settlement ended, by the error that its done function was called with.
func EndOf(err error) SettlementEnd {
	switch {
	case err == nil:
		return EndCommitted
	case errors.Is(err, ErrFenced):
		return EndFenced
	}
	return EndFailed
}
