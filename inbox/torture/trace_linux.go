package torture

import "bytes"

// injected reports whether a trace has a call that strace made fail.
func injected(trace []byte) bool { return bytes.Contains(trace, []byte("(INJECTED)")) }
