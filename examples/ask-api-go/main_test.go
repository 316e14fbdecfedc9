package main

import (
	"encoding/json"
	"testing"

	"inbox/sdk/abi"
	"inbox/sdk/go"
)

const passed = `{"v":1,"event":{"event":"workflow","verdict":"passed","customer_reference":"c/1"},"config":{"api":"https://api.example.com"},"state":null}`

func TestTheAnswerOfTheAPIDecides(t *testing.T) {
	var asked abi.Request
	answer := abi.Fetched{Headers: map[string]string{}}
	defer sdk.AnswerFetches(func(r abi.Request) abi.Fetched {
		asked = r
		return answer
	})()
	for _, c := range []struct {
		status  int
		body    string
		outcome string
		state   string
	}{
		{200, `{"limit":500}`, "ok", `{"limit":500}`}, {200, `"no customer"`, "reject", ""},
		{404, `"unknown"`, "skip", ""}, {500, `"oh"`, "retry", ""}, {0, "", "retry", ""},
	} {
		if answer.Status, answer.Body = &c.status, json.RawMessage(c.body); c.status == 0 {
			answer.Status, answer.Body, answer.Error = nil, nil, "no answer"
		}
		a := decide(t, passed)
		if a.Outcome() != c.outcome || string(a.State()) != c.state {
			t.Errorf("%d %s: %s (%s) with the state %s", c.status, c.body, a.Outcome(), a.Reason(), a.State())
		}
	}
	if asked.Method != "GET" || asked.URL != "https://api.example.com/customers/c%2F1" || asked.Secrets["Authorization"] != "Bearer {{secret.crm}}" {
		t.Errorf("it asked %+v", asked)
	}
	if a := decide(t, `{"v":1,"event":{"event":"workflow","verdict":"failed"},"state":null}`); a.Outcome() != "skip" {
		t.Errorf("a failed workflow: %s", a.Outcome())
	}
}

func decide(t *testing.T, document string) sdk.Answer {
	t.Helper()
	e, err := sdk.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return handle(e)
}
