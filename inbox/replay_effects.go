package inbox

import "slices"

// ReplayEffects says what becomes of the requests that the attempts of a replay ask for. Emitted events are not concerned.
// Fetches open a connection with [SendEffects] only; otherwise a [Journal] answers them.
type ReplayEffects string

// The choices.
const (
	SendEffects ReplayEffects = "send" // they are sent, as those of a first run
	HoldEffects ReplayEffects = "hold" // they are stored, and sent when an operator releases them
	DropEffects ReplayEffects = "drop" // they are counted, and neither stored nor sent
)

// Valid reports whether e is one of the choices.
func (e ReplayEffects) Valid() bool {
	return slices.Contains([]ReplayEffects{SendEffects, HoldEffects, DropEffects}, e)
}

// MaySend reports whether a plugin with these grants may send requests.
func (h *HTTP) MaySend() bool { return len(h.Allow)+len(h.Private) > 0 }
