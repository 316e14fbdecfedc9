//go:build !wasip1

package sdk

import (
	"fmt"
	"io"
	"os"
)

// served is set once the one document of standard input was handed over.
var served = func() func() bool {
	was := false
	return func() bool { before := was; was = true; return before }
}()

// next reads one document from standard input: a plugin built natively runs once, as a WASI command would.
func next() ([]byte, bool) {
	if served() {
		return nil, false
	}
	doc, err := io.ReadAll(os.Stdin)
	if err != nil || len(doc) == 0 {
		return nil, false
	}
	return doc, true
}

func done(result []byte) { fmt.Printf("%s", result) }

func logLine(line string) { fmt.Fprintln(os.Stderr, line) }
