package torture

import "bytes"

// injected reports whether a trace holds a call that was made to fail.
func injected(trace []byte) bool { return bytes.Contains(trace, []byte("(INJECTED)")) }
