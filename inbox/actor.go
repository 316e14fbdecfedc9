package inbox

// Actor is who does something, and why.
type Actor struct{ Name, Reason string }
