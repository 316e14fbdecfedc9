package serve

import (
	"time"

	"inbox/inbox/dispatch"
	"inbox/inbox/intake"
)

// Harm comes between the rooms of a server: to end the program at a named point, to step its clock, or to plant a fault
// that a test must find. The zero value changes nothing and costs nothing: each field is looked at once, while the rooms
// are put together. No flag, setting or environment variable of `inbox serve` leads here.
type Harm struct {
	Fault func(point string) error              // see store.Options.Fault
	Now   func() time.Time                      // the clock of the door, the store and the dispatcher
	Keep  func(intake.Keeper) intake.Keeper     // between the door and the store
	Queue func(dispatch.Store) dispatch.Store   // between the dispatcher and the store
	Run   func(dispatch.Runner) dispatch.Runner // around every attempt
	Grace time.Duration                         // of requests under way when the server stops; default requestGrace
}

func (h *Harm) keep(k intake.Keeper) intake.Keeper {
	if h.Keep == nil {
		return k
	}
	return h.Keep(k)
}

func (h *Harm) queue(q dispatch.Store) dispatch.Store {
	if h.Queue == nil {
		return q
	}
	return h.Queue(q)
}

func (h *Harm) run(r dispatch.Runner) dispatch.Runner {
	if h.Run == nil {
		return r
	}
	return h.Run(r)
}
