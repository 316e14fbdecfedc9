// Plain is a plugin in Go without the SDK: a program that reads a JSON document on standard input, logs to standard
// error, and exits. Its exit code is the outcome: 0 ok, 75 retry, 65 reject, any other a failure.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// document is the part of the input that this plugin reads.
type document struct {
	Event struct {
		Event   string `json:"event"`
		Key     string `json:"key"`
		Verdict string `json:"verdict"`
		Late    bool   `json:"late"`
	} `json:"event"`
}

func main() { os.Exit(run(os.Stdin, os.Stderr)) }

func run(in io.Reader, log io.Writer) int {
	var d document
	if err := json.NewDecoder(in).Decode(&d); err != nil {
		fmt.Fprintln(log, "cannot read the document:", err)
		return 1
	}
	if d.Event.Late {
		fmt.Fprintf(log, "%s: late, so it must not undo what came before\n", d.Event.Key)
		return 0
	}
	fmt.Fprintf(log, "%s: %s\n", d.Event.Key, d.Event.Verdict)
	return 0
}
