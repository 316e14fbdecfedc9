// Command fetcher is a plugin that makes the fetches of its event, logs the answers, and ends as the event says.
package main

import (
	"errors"

	sdk "inbox/sdk/go"
)

type plan struct {
	Requests []sdk.Request
	End      string
}

func main() {
	sdk.Handle(func(e *sdk.Event) sdk.Answer {
		var p plan
		if err := e.Decode(&p); err != nil {
			return sdk.Reject(err.Error())
		}
		var bodies []string
		for _, r := range p.Requests {
			response, err := sdk.Fetch(r)
			switch {
			case errors.Is(err, sdk.ErrQuota):
				sdk.Log("quota")
				continue
			case errors.Is(err, sdk.ErrRequest):
				sdk.Log("not valid")
				continue
			case err != nil:
				return sdk.Reject(err.Error())
			}
			sdk.Logf("%d %s%s", response.Status, response.Body, response.Error)
			bodies = append(bodies, string(response.Body))
		}
		switch p.End {
		case "retry":
			return sdk.Retry("as the event says")
		case "panic":
			panic("as the event says")
		}
		return sdk.Done().Emit("customer.fetched", bodies)
	})
}
