//go:build !linux

package torture

// diskFaults are possible on Linux only. Other systems list them as skipped.
func diskFaults() []fault {
	return []fault{{point: "disk", kind: "full, failing writes and flushes", cannot: func() string { return "only on Linux" }}}
}
