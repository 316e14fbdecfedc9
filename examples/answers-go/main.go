// Answers asks the business's own API to open an account for each customer whose workflow passed, and goes on from the response: it keeps the
// number of the account in the state of the verification.
package main

import (
	"encoding/json"

	"inbox/sdk/go"
)

func main() { sdk.Handle(handle) }

// account is the state document of one verification.
type account struct {
	Asked  bool   `json:"asked"`            // the request was made, so a repeated event makes none
	Number string `json:"number,omitempty"` // as the API gave it
	Failed string `json:"failed,omitempty"` // why there is no account
}

// answered is the event that a response becomes.
const answered = "account.answered"

func handle(e *sdk.Event) sdk.Answer {
	var a account
	if _, err := e.LoadState(&a); err != nil {
		return sdk.Reject(err.Error())
	}
	switch {
	case e.Name() == answered:
		return goOn(e, a)
	case e.Verdict != sdk.Passed || a.Asked:
		return sdk.Skip("nothing to ask for")
	}
	a.Asked = true
	return sdk.Done().SaveState(a).Send(sdk.Request{
		URL:  e.Config["api"] + "/accounts",
		JSON: map[string]any{"customer": e.CustomerReference},
		Then: answered,
	})
}

// goOn keeps what the API answered. The request was sent and retried by inbox, so this is its end: done, or dead.
func goOn(e *sdk.Event, a account) sdk.Answer {
	r, err := e.Response()
	if err != nil {
		return sdk.Reject(err.Error())
	}
	var body struct{ Number string }
	switch {
	case r.Outcome == sdk.ResponseDead:
		a.Failed = "the request is dead: an operator decides"
	case json.Unmarshal(r.Body, &body) != nil || body.Number == "":
		a.Failed = "the API gave no number"
	default:
		a.Number, a.Failed = body.Number, ""
	}
	return sdk.Done().SaveState(a)
}
