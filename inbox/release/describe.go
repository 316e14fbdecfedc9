package release

import "inbox/inbox"

// Describe returns the release that a module and its manifest are, with its id: content-addressed, so the same
// everywhere. It does not say whether they can run.
func Describe(plugin string, wasm, manifest []byte) inbox.Release {
	return describe(plugin, wasm, manifest)
}
