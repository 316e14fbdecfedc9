package sdk

import (
	"encoding/json"
	"math"
	"testing"

	"inbox/sdk/abi"
)

func TestAnAnswerCarriesTheEventsThatItEmits(t *testing.T) {
	t.Parallel()
	one := Done().Emit("customer.passed", map[string]int{"n": 1})
	two := one.Emit("customer.counted", nil, EmitKey("day/1"), EmitType("daily"))
	other := one.Emit("customer.other", "x")
	text, err := json.Marshal(two.Emitted())
	if want := `[{"event":"customer.passed","body":{"n":1}},{"event":"customer.counted","event_type":"daily","key":"day/1","body":null}]`; err != nil || string(text) != want {
		t.Errorf("it emits %s, %v; want %s", text, err, want)
	}
	if len(one.Emitted()) != 1 || other.Emitted()[1].Event != "customer.other" {
		t.Errorf("answers share their events: %v, %v", one.Emitted(), other.Emitted())
	}
	if a := one.Emit("customer.passed", math.NaN()); a.Outcome() != abi.OutcomeRetry || a.Emitted() != nil {
		t.Errorf("an event that cannot be encoded: %s with %v", a.Outcome(), a.Emitted())
	}
}

func TestAnEventToEmitIsEncodedAtOnce(t *testing.T) {
	t.Parallel()
	if err := Emit("customer.passed", 1); err != nil {
		t.Error(err)
	}
	if err := Emit("customer.passed", math.NaN()); err == nil {
		t.Error("NaN was encoded")
	}
}
