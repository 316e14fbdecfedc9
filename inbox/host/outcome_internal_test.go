package host

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
)

func TestOnlyAResultOfTheContractIsUnderstood(t *testing.T) {
	t.Parallel()
	const onStderr = "a log belongs on standard error"
	for text, want := range map[string]struct {
		result inbox.Result
		says   string
	}{
		"":                 {inbox.OK, ""},
		" \n\t":            {inbox.OK, ""},
		`{"outcome":"ok"}`: {inbox.OK, ""},
		"\n{\"outcome\":\"skip\",\"reason\":\"late\"}\n":     {inbox.Skip, "late"},
		`{"outcome":"reject","reason":"no such client"}`:     {inbox.Reject, "no such client"},
		`{"outcome":"retry"}`:                                {inbox.Retry, ""},
		`{"outcome":"retry","retry_after":"30s"}`:            {inbox.Retry, ""},
		`{"outcome":"ok","state":null,"emit":null}`:          {inbox.OK, ""},
		`{"outcome":"retry","retry_after":"half an hour"}`:   {inbox.BadResult, "half an hour"},
		`{"outcome":"retry","retry_after":"-1s"}`:            {inbox.BadResult, "-1s"},
		`{"outcome":"ok","retry_after":"30s"}`:               {inbox.BadResult, "retry_after"},
		`{"outcome":"ok","state":{"n":1}}`:                   {inbox.BadResult, `"state", which this version`},
		`{"outcome":"ok","emit":[]}`:                         {inbox.BadResult, `"emit", which this version`},
		`{"outcome":"ok","http":[{"url":"https://a.test"}]}`: {inbox.BadResult, `"http", which this version`},
		`{"outcome":"ok","kv":1}`:                            {inbox.BadResult, `"kv"`},
		`{"outcome":"ok","outcome":"skip"}`:                  {inbox.BadResult, `"outcome" twice`},
		`{"outcome":"ok","Reason":"x"}`:                      {inbox.BadResult, `"Reason" in other letters`},
		`{"outcome":"ok","rea\u017fon":"x"}`:                 {inbox.BadResult, `"reaſon" in other letters`},
		`{"outcome":"OK"}`:                                   {inbox.BadResult, `"OK"`},
		`{}`:                                                 {inbox.BadResult, "no outcome"},
		`null`:                                               {inbox.BadResult, onStderr},
		`"ok"`:                                               {inbox.BadResult, onStderr},
		`ok`:                                                 {inbox.BadResult, onStderr},
		`hello, world`:                                       {inbox.BadResult, onStderr},
		`{"outcome":"ok"`:                                    {inbox.BadResult, onStderr},
		`{"outcome":"ok"}}`:                                  {inbox.BadResult, onStderr},
		`{"outcome":"ok"} done`:                              {inbox.BadResult, onStderr},
		`{"outcome":"ok"}{"outcome":"ok"}`:                   {inbox.BadResult, onStderr},
		`[{"outcome":"ok"}]`:                                 {inbox.BadResult, onStderr},
	} {
		out := conclude([]byte(text))
		if out.Result != want.result || !strings.Contains(out.Reason, want.says) {
			t.Errorf("%s: %s (%s), want %s (…%s…)", text, out.Result, out.Reason, want.result, want.says)
		}
	}
	if out := conclude([]byte(`{"outcome":"retry","retry_after":"1m30s"}`)); out.RetryAfter != 90*time.Second {
		t.Errorf("comes again after %s", out.RetryAfter)
	}
	long, err := json.Marshal(map[string]string{"outcome": "skip", "reason": strings.Repeat("é", 5000)})
	if err != nil {
		t.Fatal(err)
	}
	if out := conclude(long); len(out.Reason) > maxReason+len("…") || strings.ContainsRune(out.Reason, '\ufffd') {
		t.Errorf("a reason of %d bytes", len(out.Reason))
	}
}

// Whatever a guest writes, it acknowledges an event only with nothing at all, or with one object that says so.
func FuzzResult(f *testing.F) {
	for _, text := range []string{"", `{"outcome":"ok"}`, `{"outcome":"retry","retry_after":"30s"}`, `{"outcome":"ok"} x`, `{"state":1}`, `{"outcome":"ok","OUTCOME":"skip"}`, "null"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out := conclude(text)
		switch out.Result {
		case inbox.OK, inbox.Skip, inbox.Retry, inbox.Reject:
			var said map[string]any
			if strings.TrimSpace(string(text)) != "" && (json.Unmarshal(text, &said) != nil || said["outcome"] != string(out.Result)) {
				t.Errorf("%q is %s", text, out.Result)
			}
		case inbox.BadResult:
			if out.Reason == "" {
				t.Errorf("%q is bad without a reason", text)
			}
		default:
			t.Errorf("%q is %s", text, out.Result)
		}
	})
}

func TestTheSteadyClockNeverGoesBackWhileTheOtherIsTheEvents(t *testing.T) {
	t.Parallel()
	w := newWorld("release")
	last := w.steady()
	for _, received := range []time.Time{time.Unix(2e9, 0), time.Unix(1e9, 0)} { // the second event is older
		w.turn(Call{ReceivedAt: received})
		w.sleep(int64(time.Minute))
		w.sleep(1<<63 - 1)
		now := w.steady()
		if now <= last {
			t.Errorf("steady went from %d to %d", last, now)
		}
		last = now
		if sec, _ := w.wall(); sec < received.Unix()+60 {
			t.Errorf("the clock shows %d after a minute's sleep from %d", sec, received.Unix())
		}
	}
}
