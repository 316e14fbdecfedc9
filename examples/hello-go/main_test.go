package main

import (
	"testing"

	"inbox/sdk/abi"
	sdk "inbox/sdk/go"
)

func TestHelloGreetsOnlyPassedVerifications(t *testing.T) {
	for verdict, want := range map[string]string{sdk.Passed: "ok", sdk.Failed: "skip", sdk.VerdictUnknown: "skip"} {
		if got := hello(&sdk.Event{Event: abi.Event{Verdict: verdict}}).Outcome(); got != want {
			t.Errorf("%s: %s, want %s", verdict, got, want)
		}
	}
}
