package sdk_test

import (
	"fmt"
	"time"

	"inbox/sdk/go"
)

// invoice is the logic of a plugin whose main function is
//
//	func main() { sdk.Handle(invoice) }
func invoice(e *sdk.Event) sdk.Answer {
	var body struct {
		Data struct {
			Amount float64 `json:"amount"`
			Ready  bool    `json:"ready"`
		} `json:"data"`
	}
	switch err := e.Decode(&body); {
	case err != nil:
		return sdk.Reject("the body is no invoice") // a person must look at it: later events of the verification wait
	case e.Verdict != sdk.Passed:
		return sdk.Skip("only passed verifications are paid for")
	case !body.Data.Ready: // not a retry: the event will be the same next time
		return sdk.Skip("the amount is not known yet; the next event has it")
	}
	sdk.Logf("%s: %.2f", e.Key, body.Data.Amount)
	return sdk.Done()
}

// A plugin is tested like any function, with documents as `inbox` writes them.
func Example() {
	for _, event := range []string{
		`{"key":"a/1","verdict":"passed","body":{"data":{"amount":12.5,"ready":true}}}`,
		`{"key":"a/2","verdict":"passed","body":{"data":{"ready":false}}}`,
		`{"key":"a/3","verdict":"failed","body":{"data":{}}}`,
		`{"key":"a/4","verdict":"passed","body":{"data":7}}`,
	} {
		e, err := sdk.Parse([]byte(`{"v":1,"event":` + event + `}`))
		if err != nil {
			fmt.Println(err)
			continue
		}
		a := invoice(e)
		fmt.Println(e.Key, a.Outcome(), a.Wait())
	}
	// Output:
	// a/1 ok 0s
	// a/2 skip 0s
	// a/3 skip 0s
	// a/4 reject 0s
}

func ExampleEvent_Decode() {
	e, err := sdk.Parse([]byte(`{"v":1,"event":{"id":"evt_1","body":{"data":{"id":42}}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	var body struct {
		Data struct {
			ID int64 `json:"id"`
		} `json:"data"`
	}
	fmt.Println(e.Decode(&body), body.Data.ID)
	// Output: <nil> 42
}

// A photo is long. It is withheld from the document, and the plugin can ask for it.
func ExampleEvent_Read() {
	e, err := sdk.Parse([]byte(`{"v":1,"event":{"id":"evt_1","body":{"data":{"photo":"/9j/4AAQSkZJRg=="}},"withheld":[]}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	photo, err := e.Read("/data/photo")
	fmt.Println(len(photo), err)
	_, err = e.Read("/data/signature")
	fmt.Println(err)
	// Output:
	// 16 <nil>
	// read "/data/signature" of event evt_1: there is no text, or it is not shown
}

func ExampleRetryAfter() {
	a := sdk.RetryAfter(30*time.Second, "the ledger is closed")
	fmt.Println(a.Outcome(), a.Wait(), a.Reason())
	// Output: retry 30s the ledger is closed
}
