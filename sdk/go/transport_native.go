//go:build !wasip1

package sdk

import (
	"fmt"
	"io"
	"os"

	"inbox/sdk/abi"
)

// host replaces the host of inbox: a plugin that is built natively runs once, like a WASI command.
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

// readWithheld returns an error: only the real host has the withheld texts.
func readWithheld(w abi.Withheld) ([]byte, error) {
	return nil, fmt.Errorf("its %d bytes are withheld from the document, and no host can be asked; put the text into the body for a test", w.Size)
}

func logLine(line string) { fmt.Fprintln(os.Stderr, line) }
