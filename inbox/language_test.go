package inbox_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"pgregory.net/rapid"

	"inbox/inbox"
)

func TestAnEventIDHoldsItsSeqAndSortsByIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64Range(1, 1<<40-1).Draw(t, "a"), rapid.Int64Range(1, 1<<40-1).Draw(t, "b")
		digest := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest")
		ida, idb := inbox.EventID(a, digest), inbox.EventID(b, digest)
		if got, ok := inbox.EventSeq(ida); !ok || got != a {
			t.Fatalf("%s gives %d, %v; want %d", ida, got, ok, a)
		}
		if (a < b) != (ida < idb) {
			t.Fatalf("%d and %d sort as %s and %s", a, b, ida, idb)
		}
	})
}

func TestWhatIsNotAnEventIDIsSaidSo(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "evt_", "evt_0000000100000000x", "att_0000000100000000", "evt_00000001 0000000", "evt_000000000000000u", "evt_0000000000000000"} {
		if seq, ok := inbox.EventSeq(id); ok {
			t.Errorf("%q is taken for the id of %d", id, seq)
		}
	}
}

func TestLanesFollowOrderAndKeyBy(t *testing.T) {
	t.Parallel()
	e := &inbox.Event{Seq: 7, Mode: inbox.Test, View: inbox.View{Key: "qoreid/address/1", CustomerReference: "ref-1"}}
	bare := &inbox.Event{Seq: 8, Mode: inbox.Live, View: inbox.View{Key: "qoreid/address/2"}}
	at := inbox.Scalars([]byte(`{"data":{"user":42}}`))
	for _, c := range []struct {
		event *inbox.Event
		order inbox.Order
		by    inbox.KeyBy
		want  string
	}{
		{e, inbox.ByKey, inbox.KeyByKey, "qoreid/address/1"},
		{e, inbox.ByKey, inbox.KeyByReference, "@ref/ref-1"},
		{bare, inbox.ByKey, inbox.KeyByReference, "qoreid/address/2"},
		{e, inbox.ByKey, "/data/user", "@ptr/42"},
		{e, inbox.ByKey, "/data/none", "qoreid/address/1"},
		{e, inbox.Global, inbox.KeyByKey, "@global"},
		{e, inbox.Unsorted, inbox.KeyByKey, "@seq/7"},
	} {
		if got := inbox.LaneOf(c.event, c.order, c.by, at.Text); got.Key != c.want || got.Mode != c.event.Mode {
			t.Errorf("%s by %s: %+v, want %s", c.order, c.by, got, c.want)
		}
	}
}

func TestAManifestWantsWhatItsFiltersLetThrough(t *testing.T) {
	t.Parallel()
	event := func(name, typ string) *inbox.Event {
		return &inbox.Event{Source: "qoreid", Mode: inbox.Live, Origin: inbox.FromWebhook, View: inbox.View{Event: name, EventType: typ}}
	}
	emitted := event("customer.passed", "")
	emitted.Origin = inbox.FromEmission
	for _, c := range []struct {
		name string
		m    inbox.Manifest
		e    *inbox.Event
		want bool
	}{
		{"no filter takes any event", inbox.Manifest{}, event("address", "verification_started"), true},
		{"no filter leaves unknown ones out", inbox.Manifest{}, event("unknown", ""), false},
		{"unknown ones can be asked for", inbox.Manifest{Events: []string{"unknown"}}, event("unknown", ""), true},
		{"no filter leaves emitted ones out", inbox.Manifest{}, emitted, false},
		{"no pattern lets unknown ones in", inbox.Manifest{Events: []string{"*", "unk*", "unknown*"}}, event("unknown", ""), false},
		{"a pattern beside the name does", inbox.Manifest{Events: []string{"*", "unknown"}}, event("unknown", ""), true},
		{"a star takes every event of QoreID's", inbox.Manifest{Events: []string{"*"}}, event("address", ""), true},
		{"no star lets emitted ones in", inbox.Manifest{Events: []string{"*", "customer*"}}, emitted, false},
		{"emitted ones can be asked for", inbox.Manifest{Events: []string{"customer.*"}}, emitted, true},
		{"another event", inbox.Manifest{Events: []string{"address"}}, event("workflow", ""), false},
		{"a pattern of types", inbox.Manifest{EventTypes: []string{"step_*"}}, event("workflow", "step_verification_started"), true},
		{"another type", inbox.Manifest{EventTypes: []string{"step_*"}}, event("workflow", "verification_started"), false},
		{"another source", inbox.Manifest{Sources: []string{"other"}}, event("workflow", ""), false},
		{"another mode", inbox.Manifest{Modes: []inbox.Mode{inbox.Test}}, event("workflow", ""), false},
	} {
		if got := c.m.Wants(c.e); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	m := inbox.Manifest{Where: []inbox.Condition{{Pointer: "/a/b", Values: []string{"1", "true", "0.50", "x"}}}}
	for body, want := range map[string]bool{`{"a":{"b":1}}`: true, `{"a":{"b":1.0}}`: true, `{"a":{"b":10e-1}}`: true, `{"a":{"b":"1.0"}}`: false, `{"a":{"b":0.5}}`: true, `{"a":{"b":"0.50"}}`: true,
		`{"a":{"b":"0.5"}}`: false, `{"a":{"b":1.5}}`: false, `{"a":{"b":"true"}}`: true, `{"a":{"b":"X"}}`: false,
		`{"a":{"b":"1"}}`: true, `{"a":{"b":true}}`: true, `{"a":{"b":2}}`: false, `{"a":{}}`: false, `{"a":{"b":{}}}`: false, `no`: false} {
		if got := m.Holds(inbox.Scalars([]byte(body))); got != want {
			t.Errorf("where over %s: %v", body, got)
		}
	}
}

func TestPointersFollowRFC6901(t *testing.T) {
	t.Parallel()
	at := inbox.Scalars([]byte("\xef\xbb\xbf" + `{"a/b":1,"m~n":2,"":3,"l":["x",1.0,12345678901234567890,null,false]}`))
	for ptr, want := range map[string]string{"/a~1b": "1", "/m~0n": "2", "/": "3", "/l/0": "x", "/l/1": "1.0", "/l/2": "12345678901234567890", "/l/4": "false"} {
		if got, ok := at.Text(ptr); !ok || got != want {
			t.Errorf("%s: %q, %v", ptr, got, ok)
		}
	}
	for _, ptr := range []string{"", "a", "/l", "/l/3", "/l/-", "/l/00", "/l/9", "/l/0/x", "/none"} {
		if got, ok := at.Text(ptr); ok {
			t.Errorf("%s: %q", ptr, got)
		}
	}
}

func TestFoldLevelsTheWaysAStatusIsWritten(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"IN PROGRESS": "in_progress", "in-progress": "in_progress", "FAILED - NOT IN RESIDENCE": "failed_not_in_residence", " Verified ": "verified", "": "", "__": ""} {
		if got := inbox.Fold(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestErrorsKeepTheirKindHintAndCauseThroughWrapping(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("outer: %w", inbox.Errorf(inbox.Conflict, "open store x", "locked: %w", io.EOF).WithHint("stop it"))
	if inbox.KindOf(err) != inbox.Conflict || inbox.HintOf(err) != "stop it" || !errors.Is(err, io.EOF) {
		t.Errorf("kind %s, hint %q, %v", inbox.KindOf(err), inbox.HintOf(err), err)
	}
	if got := err.Error(); got != "outer: open store x: locked: EOF" {
		t.Errorf("says %q", got)
	}
	if inbox.KindOf(io.EOF) != inbox.Internal || inbox.HintOf(io.EOF) != "" {
		t.Error("a plain error has a kind or a hint")
	}
}
