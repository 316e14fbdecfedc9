package main

import (
	"testing"

	"inbox/sdk/go"
)

const passed = `{"v":1,"event":{"event":"workflow","verdict":"passed","customer_reference":"c-1"},"config":{"api":"https://api.example.com"},"state":`

func TestAPassedWorkflowAsksOnceForAnAccount(t *testing.T) {
	a := answer(t, passed+`null}`)
	if len(a.Requests()) != 1 || a.Requests()[0].URL != "https://api.example.com/accounts" || a.Requests()[0].Then != answered || string(a.State()) != `{"asked":true}` {
		t.Errorf("%+v with the state %s", a.Requests(), a.State())
	}
	if again := answer(t, passed+string(a.State())+`}`); again.Outcome() != "skip" || len(again.Requests()) != 0 {
		t.Errorf("a repeated event: %s, %+v", again.Outcome(), again.Requests())
	}
}

func TestTheResponseEndsInTheState(t *testing.T) {
	for body, want := range map[string]string{
		`{"outcome":"done","status":201,"body":{"number":"7"}}`:  `{"asked":true,"number":"7"}`,
		`{"outcome":"done","status":200,"body":"ok"}`:            `{"asked":true,"failed":"the API gave no number"}`,
		`{"outcome":"dead","status":null,"error":"no answer"}`:   `{"asked":true,"failed":"the request is dead: an operator decides"}`,
		`{"outcome":"dead","status":422,"body":{"number":"no"}}`: `{"asked":true,"failed":"the request is dead: an operator decides"}`,
	} {
		a := answer(t, `{"v":1,"event":{"event":"account.answered","verdict":"unknown","body":`+body+`},"state":{"asked":true}}`)
		if got := string(a.State()); got != want {
			t.Errorf("%s: the state is %s, want %s", body, got, want)
		}
	}
}

func answer(t *testing.T, document string) sdk.Answer {
	t.Helper()
	e, err := sdk.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return handle(e)
}
