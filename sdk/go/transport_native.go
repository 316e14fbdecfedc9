//go:build !wasip1

package sdk

import (
	"fmt"
	"io"
	"os"

	"inbox/sdk/abi"
)

// host stands in for the inbox: a plugin built natively runs once, as a WASI command would.
type host struct{ served bool }

func newHost() *host { return &host{} }

// next reads one document from standard input.
func (h *host) next() ([]byte, bool) {
	if h.served {
		return nil, false
	}
	h.served = true
	doc, err := io.ReadAll(os.Stdin)
	if err != nil || len(doc) == 0 {
		return nil, false
	}
	return doc, true
}

func (h *host) done(result []byte) { fmt.Printf("%s", result) }

// readWithheld fails: what was left out of a document only the host has.
func readWithheld(w abi.Withheld) ([]byte, error) {
	return nil, fmt.Errorf("its %d bytes were left out of the document, and there is no host to ask; put it into the body for a test", w.Size)
}

func logLine(line string) { fmt.Fprintln(os.Stderr, line) }
