package serve

import (
	"time"

	"inbox/inbox/dispatch"
	"inbox/inbox/intake"
	"inbox/inbox/outbox"
)

// Hooks are inserted between the parts of a server. They kill the program at a named point, change its clock, or inject a fault that a
// test must detect. The zero value changes nothing and costs nothing, because each field is read once, at the start. No flag,
// setting or environment variable of `inbox serve` sets a hook.
type Hooks struct {
	Fault func(point string) error              // see store.Options.Fault
	Now   func() time.Time                      // the clock of intake, the store and the dispatcher
	Keep  func(intake.Keeper) intake.Keeper     // between intake and the store
	Queue func(dispatch.Store) dispatch.Store   // between the dispatcher and the store
	Run   func(dispatch.Runner) dispatch.Runner // wraps every attempt
	Sends func(outbox.Store) outbox.Store       // between the outbox and the store
	Send  func(outbox.Sender) outbox.Sender     // wraps every try of a request
	Cache string                                // directory of compiled modules; default: that of the data directory
	Grace time.Duration                         // bound of running requests when the server stops; default requestGrace
}

func (h *Hooks) keep(k intake.Keeper) intake.Keeper {
	if h.Keep == nil {
		return k
	}
	return h.Keep(k)
}

func (h *Hooks) queue(q dispatch.Store) dispatch.Store {
	if h.Queue == nil {
		return q
	}
	return h.Queue(q)
}

func (h *Hooks) run(r dispatch.Runner) dispatch.Runner {
	if h.Run == nil {
		return r
	}
	return h.Run(r)
}

func (h *Hooks) sends(s outbox.Store) outbox.Store {
	if h.Sends == nil {
		return s
	}
	return h.Sends(s)
}

func (h *Hooks) send(s outbox.Sender) outbox.Sender {
	if h.Send == nil {
		return s
	}
	return h.Send(s)
}
