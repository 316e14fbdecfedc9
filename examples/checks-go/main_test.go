package main

import (
	"testing"

	"inbox/sdk/go"
)

func TestALaterEventKeepsWhatEarlierOnesFound(t *testing.T) {
	first := answer(t, `{"v":1,"event":{"event":"nin","verdict":"passed"},"state":null}`)
	if got := string(first.State()); got != `{"events":1,"verdicts":{"nin":"passed"}}` {
		t.Errorf("the state is %s", got)
	}
	next := answer(t, `{"v":1,"event":{"event":"address","verdict":"failed"},"state":`+string(first.State())+`}`)
	if got := string(next.State()); got != `{"events":2,"verdicts":{"address":"failed","nin":"passed"}}` {
		t.Errorf("the state is %s", got)
	}
	late := answer(t, `{"v":1,"event":{"event":"nin","verdict":"pending","late":true},"state":`+string(next.State())+`}`)
	if got := string(late.State()); got != `{"events":3,"verdicts":{"address":"failed","nin":"passed"}}` {
		t.Errorf("the state is %s", got)
	}
	value, ok, err := sdk.KVGet("verdicts/passed")
	if err != nil || !ok || string(value) != "1" {
		t.Errorf("%q passed, %v, %v", value, ok, err)
	}
}

func answer(t *testing.T, document string) sdk.Answer {
	t.Helper()
	e, err := sdk.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	a := handle(e)
	if a.Outcome() != "ok" {
		t.Fatalf("%s: %s", a.Outcome(), a.Reason())
	}
	return a
}
