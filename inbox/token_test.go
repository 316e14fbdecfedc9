package inbox

import (
	"testing"
	"time"
)

func TestAScopeGrantsItselfAndNothingBesideIt(t *testing.T) {
	t.Parallel()
	all := []Scope{ScopeAdmin, ScopeRead, ScopeState, StateScope("kyc"), StateScope("crm")}
	grants := map[Scope][]Scope{
		ScopeAdmin: all, ScopeRead: {ScopeRead}, ScopeState: {ScopeState, StateScope("kyc"), StateScope("crm")}, StateScope("kyc"): {StateScope("kyc")},
		StateScope("crm"): {StateScope("crm")},
	}
	for _, have := range all {
		for _, need := range all {
			if got := Granted([]Scope{have}, []Scope{need}); got != contains(grants[have], need) {
				t.Errorf("%s for %s: %v", have, need, got)
			}
		}
	}
	if Granted(nil, all) || Granted(all, nil) || Granted([]Scope{"state:"}, all[3:]) || Granted([]Scope{"state:kycs"}, all[3:]) {
		t.Error("nothing grants something")
	}
	if !Granted([]Scope{ScopeRead}, []Scope{StateScope("kyc"), ScopeRead}) {
		t.Error("one of several needed scopes is enough")
	}
	for _, c := range []struct {
		have Scope
		full bool
	}{{ScopeAdmin, false}, {ScopeRead, false}, {ScopeState, true}, {StateScope("kyc"), true}, {StateScope("crm"), false}} {
		if StateInFull([]Scope{c.have}, "kyc") != c.full {
			t.Errorf("%s shows state in full: %v", c.have, !c.full)
		}
	}
}

func TestAScopeAndATokenAreChecked(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "reed", "state:", "state:A", "state:a/b", "read ", "admin:kyc", "*", "state:*"} {
		if s, err := ParseScope(bad); err == nil || KindOf(err) != Invalid || HintOf(err) == "" {
			t.Errorf("%q: %q %v", bad, s, err)
		}
	}
	now := time.Unix(1000, 0)
	good := Token{Name: "a", Scopes: []Scope{ScopeRead}}
	if err := CheckToken(&good, now); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Token){
		"a name with a space": func(t *Token) { t.Name = "a b" }, "no name": func(t *Token) { t.Name = "" }, "no scope": func(t *Token) { t.Scopes = nil },
		"too many scopes": func(t *Token) { t.Scopes = make([]Scope, MaxScopes+1) }, "a bad scope": func(t *Token) { t.Scopes = []Scope{"all"} },
		"an end that has passed": func(t *Token) { t.ExpiresAt = now },
	} {
		bad := good
		change(&bad)
		if err := CheckToken(&bad, now); KindOf(err) != Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	good.ExpiresAt = now
	if !good.Expired(now) || good.Expired(now.Add(-1)) || (&Token{}).Expired(now) {
		t.Error("the end of a token is wrong")
	}
}
