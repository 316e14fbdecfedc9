// Command emitter is a plugin that emits by the import and with its answer.
package main

import (
	"errors"

	sdk "inbox/sdk/go"
)

func main() {
	sdk.Handle(func(e *sdk.Event) sdk.Answer {
		if err := sdk.Emit("nodot", nil); !errors.Is(err, sdk.ErrEntry) {
			return sdk.Reject("a name without a dot")
		}
		if err := sdk.Emit("customer.seen", e.Key, sdk.EmitType("t")); err != nil {
			return sdk.Reject(err.Error())
		}
		return sdk.Done().Emit("customer.passed", map[string]int{"n": 1}, sdk.EmitKey("all"))
	})
}
