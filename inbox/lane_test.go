package inbox_test

import (
	"testing"

	"inbox/inbox"
)

func TestALaneTellsWhatItIsMadeBy(t *testing.T) {
	t.Parallel()
	e := &inbox.Event{Seq: 7, Mode: inbox.Live, View: inbox.View{Key: "qoreid/address/7", CustomerReference: "ref/1"}}
	keyless := &inbox.Event{Seq: 7, Mode: inbox.Live, View: inbox.View{Key: inbox.SoloKey(7)}}
	at := func(string) (string, bool) { return "42", true }
	type made struct {
		seq                          int64
		solo, global, byValue, byKey bool
		ref                          string
	}
	for name, c := range map[string]struct {
		e     *inbox.Event
		order inbox.Order
		by    inbox.KeyBy
		want  made
	}{
		"an event's key":             {e, inbox.ByKey, inbox.KeyByKey, made{byKey: true}},
		"the key of one without any": {keyless, inbox.ByKey, inbox.KeyByKey, made{byKey: true, solo: true, seq: 7}},
		"no order":                   {e, inbox.Unsorted, inbox.KeyByKey, made{byKey: true, solo: true, seq: 7}},
		"a customer reference":       {e, inbox.ByKey, inbox.KeyByReference, made{ref: "ref/1"}},
		"a value of the body":        {e, inbox.ByKey, "/data/user", made{byValue: true}},
		"one order over all":         {e, inbox.Global, inbox.KeyByKey, made{global: true}},
	} {
		id := inbox.LaneOf(c.e, c.order, c.by, at)
		got := made{global: id.Global(), byValue: id.ByValue(), byKey: id.ByKey()}
		got.seq, got.solo = id.Solo()
		got.ref, _ = id.Reference()
		if got != c.want {
			t.Errorf("%s: %s is %+v, want %+v", name, id.Key, got, c.want)
		}
	}
	for _, key := range []string{"@seq/", "@seq/x", "seq/7", "@global"} {
		if seq, ok := (inbox.LaneID{Key: key}).Solo(); ok {
			t.Errorf("%s is a lane of event %d alone", key, seq)
		}
	}
}
