// Kvguest does what its event says and logs every answer. The body is a list of lines such as "get k", "set k value", "fill k 100"
// (k is set to 100 bytes), "flood k 50" (50 keys that begin with k), "peek k 50" (50 keys are read), "delete k", "list prefix after", "outcome retry".
package main

import (
	"fmt"
	"strconv"
	"strings"

	"inbox/sdk/go"
)

func main() { sdk.Handle(do) }

func do(e *sdk.Event) sdk.Answer {
	var lines []string
	if err := e.Decode(&lines); err != nil {
		return sdk.Reject(err.Error())
	}
	answer := sdk.Done()
	for _, line := range lines {
		words := append(strings.Split(line, " "), "", "")
		n, _ := strconv.Atoi(words[2])
		switch words[0] {
		case "get":
			value, ok, err := sdk.KVGet(words[1])
			sdk.Logf("%s: %q %v %v", line, value, ok, err)
		case "set":
			sdk.Logf("%s: %v", line, sdk.KVSet(words[1], []byte(words[2])))
		case "fill":
			sdk.Logf("%s: %v", line, sdk.KVSet(words[1], make([]byte, n)))
		case "flood":
			sdk.Logf("%s: %v", line, repeat(n, func(i int) error { return sdk.KVSet(words[1]+strconv.Itoa(i), nil) }))
		case "peek":
			sdk.Logf("%s: %v", line, repeat(n, func(i int) error { _, _, err := sdk.KVGet(words[1] + strconv.Itoa(i)); return err }))
		case "delete":
			sdk.Logf("%s: %v", line, sdk.KVDelete(words[1]))
		case "list":
			keys, err := sdk.KVList(words[1], words[2])
			sdk.Logf("%s: %v %v", line, keys, err)
		case "outcome":
			answer = map[string]sdk.Answer{"retry": sdk.Retry("r"), "reject": sdk.Reject("r"), "skip": sdk.Skip("s"), "ok": sdk.Done()}[words[1]]
		case "panic":
			panic("as told")
		}
	}
	return answer
}

// repeat calls fn up to n times and returns the number of the call that failed with its error.
func repeat(n int, fn func(i int) error) error {
	for i := range n {
		if err := fn(i); err != nil {
			return fmt.Errorf("after %d: %w", i, err)
		}
	}
	return nil
}
