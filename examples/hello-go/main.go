// Hello is the smallest plugin in Go: it greets every verification that passed.
package main

import "inbox/sdk/go"

func main() { sdk.Handle(hello) }

func hello(e *sdk.Event) sdk.Answer {
	if e.Verdict != sdk.Passed {
		return sdk.Skip("the verdict is " + e.Verdict)
	}
	sdk.Logf("hello, %s passed", e.Key)
	return sdk.Done()
}
