//go:build !linux

package torture

// diskHarms are done on Linux only, and are listed as left out elsewhere.
func diskFaults() []fault {
	return []fault{{point: "disk", what: "full, failing writes and flushes", cannot: func() string { return "only on Linux" }}}
}
