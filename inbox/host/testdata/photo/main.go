// Command photo is a plugin that reads the photo of an event if its config says so, and logs what it saw.
package main

import (
	"crypto/sha256"

	sdk "inbox/sdk/go"
)

var last *sdk.Event

func main() { sdk.Handle(handle) }

func handle(e *sdk.Event) sdk.Answer {
	if last != nil {
		if _, err := last.Read("/data/photo"); err == nil {
			return sdk.Reject("an event that was answered can still be read")
		}
	}
	last = e
	sdk.Logf("%d bytes of body, %d texts left out", len(e.Body), len(e.Withheld))
	if e.Config["read"] == "" {
		return sdk.Done()
	}
	for _, pointer := range []string{"/data/photo", "/data/id", "/data/name", "/data/hidden"} {
		text, err := e.Read(pointer)
		if err != nil {
			sdk.Logf("%v", err)
			continue
		}
		sdk.Logf("%s: %d bytes %.8x", pointer, len(text), sha256.Sum256(text))
	}
	return sdk.Done()
}
