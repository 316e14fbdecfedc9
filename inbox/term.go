package inbox

import "errors"

// Term numbers the owners of a plugin's work. A store returns it when the work begins, each settlement carries it, and each
// new owner has a higher one. On SQLite a term is the life of one server and counts from 1; a store for
// several machines gives one with each lease of a plugin.
type Term int64

// ErrFenced is the end of a settlement of an earlier term. It changes nothing and is no attempt. A store also
// returns it when the work of a plugin may not begin, because a newer term has begun.
var ErrFenced error = Errorf(Conflict, "", "a newer server has taken over: what this one settles is not recorded")

// ErrRefused is the end of a settlement that rests on values of kv which have changed since, or whose changes exceed the quota. It
// changes nothing and is no attempt: the run makes its attempt again.
var ErrRefused error = Errorf(Conflict, "", "values that the attempt read have changed since")

// SettlementEnd is the end of a settlement.
type SettlementEnd string

// The ends.
const (
	EndCommitted SettlementEnd = "committed" // all of it is durable
	EndRefused   SettlementEnd = "refused"   // it rests on values that have changed since: it changed nothing
	EndFenced    SettlementEnd = "fenced"    // it is of an earlier term: it changed nothing, and another server has the plugin
	EndFailed    SettlementEnd = "failed"    // the store could not record it: the plugin begins again from the stored state
)

// EndOf returns the end of a settlement from the error of its done function.
func EndOf(err error) SettlementEnd {
	switch {
	case err == nil:
		return EndCommitted
	case errors.Is(err, ErrFenced):
		return EndFenced
	case errors.Is(err, ErrRefused):
		return EndRefused
	}
	return EndFailed
}
