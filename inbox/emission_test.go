package inbox_test

import (
	"strings"
	"testing"

	"inbox/inbox"
)

func TestAnEmissionHasANameWithADotAndAPlainKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		e    inbox.Emission
		says string
	}{
		{inbox.Emission{Event: "customer.passed", EventType: "first-1", Key: "Ünïcode key/with:signs"}, ""},
		{inbox.Emission{Event: strings.Repeat("a", 127) + "."}, ""},
		{inbox.Emission{}, "no event"},
		{inbox.Emission{Event: "passed"}, "without a dot"},
		{inbox.Emission{Event: strings.Repeat("a", 128) + "."}, "no name"},
		{inbox.Emission{Event: "a b.c"}, "no name"},
		{inbox.Emission{Event: "a.é"}, "no name"},
		{inbox.Emission{Event: "a.b", EventType: "x*"}, "event_type that is no name"},
		{inbox.Emission{Event: "a.b", Key: strings.Repeat("k", 257)}, "256 bytes"},
		{inbox.Emission{Event: "a.b", Key: "a\tb"}, "control character"},
		{inbox.Emission{Event: "a.b", Key: "\xff"}, "not UTF-8"},
	} {
		if got := c.e.Problem(); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%+v: %q, want …%s…", c.e, got, c.says)
		}
	}
}

func TestAnEmitterIsNamedByItsSource(t *testing.T) {
	t.Parallel()
	if got := inbox.Emitter(inbox.EmitterSource("crm")); got != "crm" {
		t.Errorf("the emitter is %q", got)
	}
	if got := inbox.Emitter("qoreid"); got != "" {
		t.Errorf("a source of webhooks has the emitter %q", got)
	}
	if got := inbox.EmittedKey("crm", "a/b"); got != "plugin:crm/a/b" {
		t.Errorf("the key is %q", got)
	}
}

func TestAPluginWantsItsOwnEventsOnlyByTheirFullSource(t *testing.T) {
	t.Parallel()
	own := &inbox.Event{Source: "plugin:crm", Origin: inbox.FromEmission, Mode: inbox.Live, View: inbox.View{Event: "customer.passed"}}
	for _, c := range []struct {
		plugin  string
		sources []string
		want    bool
	}{
		{"crm", nil, false}, {"crm", []string{"*"}, false}, {"crm", []string{"plugin:*", "plugin:cr*"}, false}, {"crm", []string{"qoreid"}, false},
		{"crm", []string{"plugin:crm"}, true}, {"other", nil, true}, {"other", []string{"plugin:*"}, true}, {"other", []string{"plugin:crm"}, true},
		{"other", []string{"plugin:other"}, false},
	} {
		m := inbox.Manifest{Plugin: c.plugin, Events: []string{"customer.*"}, Sources: c.sources}
		if got := m.Wants(own); got != c.want {
			t.Errorf("%s with the sources %v: %v", c.plugin, c.sources, got)
		}
		if by := m.FilteredBy(own, nil); (by == "") != c.want || by != "" && by != "sources" {
			t.Errorf("%s with the sources %v is filtered by %q", c.plugin, c.sources, by)
		}
	}
}

func TestEffectsThatEmitAreNotEmpty(t *testing.T) {
	t.Parallel()
	if (&inbox.Effects{Emit: []inbox.Emission{{Event: "a.b"}}}).Empty() {
		t.Error("they are")
	}
}

// tree returns the most events that a plugin can emit in answer to an event, over all depths.
func tree(allowance, depth int, known map[[2]int]int) (most int) {
	at := [2]int{allowance, depth}
	if n, ok := known[at]; ok || depth == inbox.MaxDepth {
		return n
	}
	for n := 1; n <= min(allowance, inbox.MaxEmissions); n++ {
		most = max(most, n*(1+tree(inbox.ShareOf(allowance, n), depth+1, known)))
	}
	known[at] = most
	return most
}

func TestAPluginEmitsAtMostMaxDescendantsInAnswerToOneEvent(t *testing.T) {
	t.Parallel()
	root := inbox.Event{}
	if most := tree(root.Allowance(), 0, map[[2]int]int{}); most > inbox.MaxDescendants || most < inbox.MaxDescendants*9/10 {
		t.Errorf("a plugin may emit %d events, want at most %d and not much less", most, inbox.MaxDescendants)
	}
	last := inbox.Event{Depth: 1, Share: 0}
	if last.Allowance() != 0 || inbox.ShareOf(100, 0) != 0 || inbox.ShareOf(3, 3) != 0 || inbox.ShareOf(1, 2) != 0 {
		t.Error("an event beyond the allowance may emit")
	}
}
