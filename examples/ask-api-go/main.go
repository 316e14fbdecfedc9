// Ask-api asks the business's own API about each customer whose workflow passed, before it decides: the answer of the API is in the same
// commit as the decision.
package main

import (
	"net/url"

	"inbox/sdk/go"
)

func main() { sdk.Handle(handle) }

// customer is the state document of one verification.
type customer struct {
	Limit int `json:"limit"` // as the API gave it
}

func handle(e *sdk.Event) sdk.Answer {
	if e.Verdict != sdk.Passed || e.CustomerReference == nil {
		return sdk.Skip("nothing to ask")
	}
	r, err := sdk.Fetch(sdk.Request{
		URL:     e.Config["api"] + "/customers/" + url.PathEscape(*e.CustomerReference),
		Secrets: map[string]string{"Authorization": "Bearer {{secret.crm}}"},
	})
	if err != nil {
		return sdk.Reject(err.Error()) // the request is wrong, and stays wrong
	}
	switch {
	case r.Status == 404:
		return sdk.Skip("the API does not know the customer")
	case r.Status != 200:
		return sdk.Retry("the API does not answer") // the next attempt asks again
	}
	var c customer
	if err := r.Decode(&c); err != nil {
		return sdk.Reject("the API answers with something else")
	}
	return sdk.Done().SaveState(c).Emit("customer.approved", c)
}
