package inbox

// Actor is the person or program that performs an action, with the reason for it.
type Actor struct{ Name, Reason string }
