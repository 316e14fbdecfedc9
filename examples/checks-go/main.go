// Checks keeps the newest verdict of every check of a verification in the state of its lane, and counts verdicts in kv.
package main

import (
	"errors"
	"strconv"

	"inbox/sdk/go"
)

func main() { sdk.Handle(handle) }

// file is the state document of one verification.
type file struct {
	Events   int               `json:"events"`
	Verdicts map[string]string `json:"verdicts"` // the newest verdict by the name of the event
}

func handle(e *sdk.Event) sdk.Answer {
	f := file{Verdicts: map[string]string{}}
	if _, err := e.LoadState(&f); err != nil {
		return sdk.Reject(err.Error())
	}
	f.Events++
	if e.Verdict != sdk.VerdictUnknown && !e.Late { // a late event is older than what is known
		f.Verdicts[e.Name()] = e.Verdict
	}
	if err := count("verdicts/" + e.Verdict); err != nil {
		return sdk.Retry(err.Error())
	}
	return sdk.Done().SaveState(f)
}

// count increments a key of kv. Lanes that increment it at the same time lose no increment: the host lets one of them run again.
func count(key string) error {
	value, _, err := sdk.KVGet(key)
	if err != nil {
		return err
	}
	n := 0
	if value != nil {
		if n, err = strconv.Atoi(string(value)); err != nil {
			return errors.New("the counter " + key + " holds no number")
		}
	}
	return sdk.KVSet(key, []byte(strconv.Itoa(n+1)))
}
