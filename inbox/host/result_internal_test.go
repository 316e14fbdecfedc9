package host

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"inbox/inbox"
)

func TestOnlyAResultOfTheContractIsAccepted(t *testing.T) {
	t.Parallel()
	const onStderr = "a log belongs on standard error"
	for text, want := range map[string]struct {
		result inbox.Result
		says   string
	}{
		"":                 {inbox.OK, ""},
		" \n\t":            {inbox.OK, ""},
		`{"outcome":"ok"}`: {inbox.OK, ""},
		"\n{\"outcome\":\"skip\",\"reason\":\"late\"}\n":                         {inbox.Skip, "late"},
		`{"outcome":"reject","reason":"no such client"}`:                         {inbox.Reject, "no such client"},
		`{"outcome":"retry"}`:                                                    {inbox.Retry, ""},
		`{"outcome":"retry","retry_after":"30s"}`:                                {inbox.Retry, ""},
		`{"outcome":"ok","state":null,"emit":null}`:                              {inbox.OK, ""},
		`{"outcome":"retry","retry_after":"half an hour"}`:                       {inbox.BadResult, "half an hour"},
		`{"outcome":"retry","retry_after":"-1s"}`:                                {inbox.BadResult, "-1s"},
		`{"outcome":"ok","retry_after":"30s"}`:                                   {inbox.BadResult, "retry_after"},
		`{"outcome":"ok","state":{"n":1}}`:                                       {inbox.OK, ""},
		"{\"outcome\":\"ok\",\"state\":\"\xff\"}":                                {inbox.BadResult, "its state is not UTF-8"},
		`{"outcome":"ok","state":"` + strings.Repeat("x", inbox.MaxState) + `"}`: {inbox.Output, "a state document has at most 1048576"},
		`{"outcome":"ok","kv":1}`:                                                {inbox.BadResult, `"kv"`},
		`{"outcome":"ok","outcome":"skip"}`:                                      {inbox.BadResult, `"outcome" twice`},
		`{"outcome":"ok","Reason":"x"}`:                                          {inbox.BadResult, `"Reason" in other letters`},
		`{"outcome":"ok","rea\u017fon":"x"}`:                                     {inbox.BadResult, `"reaſon" in other letters`},
		`{"outcome":"OK"}`:                                                       {inbox.BadResult, `"OK"`},
		`{}`:                                                                     {inbox.BadResult, "no outcome"},
		`null`:                                                                   {inbox.BadResult, onStderr},
		`"ok"`:                                                                   {inbox.BadResult, onStderr},
		`ok`:                                                                     {inbox.BadResult, onStderr},
		`hello, world`:                                                           {inbox.BadResult, onStderr},
		`{"outcome":"ok"`:                                                        {inbox.BadResult, onStderr},
		`{"outcome":"ok"}}`:                                                      {inbox.BadResult, onStderr},
		`{"outcome":"ok"} done`:                                                  {inbox.BadResult, onStderr},
		`{"outcome":"ok"}{"outcome":"ok"}`:                                       {inbox.BadResult, onStderr},
		`[{"outcome":"ok"}]`:                                                     {inbox.BadResult, onStderr},
		`{"outcome":"ok","emit":[]}`:                                             {inbox.OK, ""},
		// Only JSON white space acknowledges without a word.
		"\r\n":                       {inbox.OK, ""},
		"\u00a0":                     {inbox.BadResult, onStderr},
		"\f":                         {inbox.BadResult, onStderr},
		"\v":                         {inbox.BadResult, onStderr},
		"\u2028":                     {inbox.BadResult, onStderr},
		"\u3000":                     {inbox.BadResult, onStderr},
		"\u0085":                     {inbox.BadResult, onStderr},
		"\x00":                       {inbox.BadResult, "a byte of zero"},
		" \x00\x00\n":                {inbox.BadResult, "a byte of zero"},
		"{\"outcome\":\"ok\"}\x00":   {inbox.BadResult, "goes on after the result"},
		"{\"outcome\":\"ok\"}\f":     {inbox.BadResult, "goes on after the result"},
		"\u00a0{\"outcome\":\"ok\"}": {inbox.BadResult, onStderr},
		// The reason names a byte order mark, because it is invisible.
		"\ufeff{\"outcome\":\"skip\"}":       {inbox.BadResult, "begins with a byte order mark"},
		"\ufeff":                             {inbox.BadResult, "begins with a byte order mark"},
		"\ufeff\n":                           {inbox.BadResult, "begins with a byte order mark"},
		"\ufeff\ufeff{\"outcome\":\"skip\"}": {inbox.BadResult, "begins with a byte order mark"},
		"\xff\xfe{\x00}\x00":                 {inbox.BadResult, "UTF-16"},
		"\xfe\xff\x00{\x00}":                 {inbox.BadResult, "UTF-16"},
		"{\x00\"\x00":                        {inbox.BadResult, "UTF-16"},
		// The reason names another type in the words of the manual.
		`{"outcome":"retry","retry_after":30}`:             {inbox.BadResult, `its retry_after is a number and not a text such as "30s"`},
		`{"outcome":"retry","retry_after":1e999}`:          {inbox.BadResult, `its retry_after is a number and not a text such as "30s"`},
		`{"outcome":"retry","retry_after":["30s"]}`:        {inbox.BadResult, `its retry_after is a list and not a text`},
		`{"outcome":"retry","retry_after":null}`:           {inbox.Retry, ""},
		`{"outcome":"retry","retry_after":"30"}`:           {inbox.BadResult, `not a duration such as "30s"`},
		`{"outcome":"retry","retry_after":"1d"}`:           {inbox.BadResult, `not a duration such as "30s"`},
		`{"outcome":"retry","retry_after":"99999999999h"}`: {inbox.BadResult, `not a duration such as "30s"`},
		`{"outcome":true}`:                                 {inbox.BadResult, `its outcome is true and not a text such as "ok"`},
		`{"outcome":1` + strings.Repeat("0", 400) + `}`:    {inbox.BadResult, `its outcome is a number`},
		`{"outcome":{"ok":1}}`:                             {inbox.BadResult, `its outcome is an object`},
		`{"outcome":null}`:                                 {inbox.BadResult, "no outcome"},
		`{"outcome":"skip","reason":404}`:                  {inbox.BadResult, `its reason is a number and not a text`},
		`42`:                                               {inbox.BadResult, "its output is a number and not a result"},
		`true`:                                             {inbox.BadResult, "its output is true and not a result"},
		// The reason names the word that was probably meant.
		`{"outcome":"ok","retryAfter":"1s"}`:         {inbox.BadResult, `did you mean "retry_after"?`},
		`{"outcome":"ok","reson":"x"}`:               {inbox.BadResult, `did you mean "reason"?`},
		`{"outcome":"ok","Retry_After":"1s"}`:        {inbox.BadResult, `"Retry_After" in other letters than the contract has, which is "retry_after"`},
		`{"outcome":"ok","note":"x"}`:                {inbox.BadResult, `a result has outcome, reason, retry_after`},
		`{"result":{"outcome":"ok"}}`:                {inbox.BadResult, `"result"`},
		`{"outcome":"rejct"}`:                        {inbox.BadResult, `did you mean "reject"?`},
		`{"outcome":"done"}`:                         {inbox.BadResult, `one of ok, skip, retry, reject`},
		`{"outcome":"Skip"}`:                         {inbox.BadResult, `written in small letters`},
		`{"outcome":" ok"}`:                          {inbox.BadResult, `" ok"`},
		`{"outcome":"ok","reason":"a","reason":"b"}`: {inbox.BadResult, `"reason" twice`},
		// Long words are not compared, because that takes time by their length.
		`{"` + strings.Repeat("x", 1<<20) + `":1}`:         {inbox.BadResult, `a result has outcome, reason, retry_after: "xxx`},
		`{"outcome":"` + strings.Repeat("x", 1<<20) + `"}`: {inbox.BadResult, `it is one of ok, skip, retry, reject: "xxx`},
		// The reason names the place of the error.
		`{"outcome":"ok",}`: {inbox.BadResult, "its byte 17 does not belong there"},
		`{'outcome':'ok'}`:  {inbox.BadResult, "its byte 2 does not belong there"},
		`{"outcome":"ok","state":` + strings.Repeat("[", 10_001): {inbox.BadResult, "nested more than 10000 deep"},
		`{"outcome":"ok`: {inbox.BadResult, "ends in the middle"},
		"{\"outcome\":\"ok\"}\n{\"outcome\":\"ok\"}": {inbox.BadResult, "with another"},
		strings.Repeat("[", 20_000):                  {inbox.BadResult, onStderr},
		`{"state":` + strings.Repeat("[", 20_000):    {inbox.BadResult, onStderr},
	} {
		out := parseResult([]byte(text))
		if out.Result != want.result || !strings.Contains(out.Reason, want.says) {
			t.Errorf("%.100q: %s (%s), want %s (…%s…)", text, out.Result, out.Reason, want.result, want.says)
		}
		for _, words := range []string{"Go ", "json:", "struct", "unmarshal", "unexpected EOF", "invalid character"} {
			if strings.Contains(out.Reason, words) {
				t.Errorf("%.100q: it is told in Go's words: %s", text, out.Reason)
			}
		}
	}
	if out := parseResult([]byte(`{"outcome":"retry","retry_after":"1m30s"}`)); out.RetryAfter != 90*time.Second {
		t.Errorf("is retried after %s", out.RetryAfter)
	}
	long, err := json.Marshal(map[string]string{"outcome": "skip", "reason": strings.Repeat("é", 5000)})
	if err != nil {
		t.Fatal(err)
	}
	if out := parseResult(long); len(out.Reason) > maxReason+len("…") || strings.ContainsRune(out.Reason, '\ufffd') {
		t.Errorf("a reason of %d bytes", len(out.Reason))
	}
}

// Everybody may see the host's words about a result, so they must not contain the plugin's.
func TestTheHostsWordsContainNothingThatThePluginWrote(t *testing.T) {
	t.Parallel()
	const name = "Ada Lovelace"
	for _, text := range []string{
		name, `{"outcome":"` + name + `"}`, `{"` + name + `":1}`, `{"outcome":"retry","retry_after":"` + name + `"}`, `{"outcome":["` + name + `"]}`,
		`{"outcome":"ok"} ` + name, `{"outcome":"ok"}{"outcome":"` + name + `"}`, `{"outcome":"ok" "` + name, `"` + name + `"`, `{"reason":{"a":"` + name + `"}}`,
		`{"outcome":"ok","reason":"` + name + `","reason":"` + name + `"}`, `{"outcome":"skip","reason":"` + name + `"}`,
	} {
		if out := parseResult([]byte(text)); strings.Contains(out.Reason[:out.HostWords], "Ada") {
			t.Errorf("%s: %q", text, out.Reason[:out.HostWords])
		}
	}
}

// Whatever a guest writes, it acknowledges an event only with empty output, or with one object that says so.
func FuzzResult(f *testing.F) {
	for _, text := range []string{"", `{"outcome":"ok"}`, `{"outcome":"retry","retry_after":"30s"}`, `{"outcome":"ok"} x`, `{"state":1}`, `{"outcome":"ok","OUTCOME":"skip"}`, "null"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out := parseResult(text)
		switch out.Result {
		case inbox.OK, inbox.Skip, inbox.Retry, inbox.Reject:
			var said map[string]any
			if strings.Trim(string(text), " \t\r\n") != "" && (json.Unmarshal(text, &said) != nil || said["outcome"] != string(out.Result)) {
				t.Errorf("%q is %s", text, out.Result)
			}
		case inbox.BadResult, inbox.Denied:
			if out.HostWords == 0 || out.HostWords > len(out.Reason) || !utf8.ValidString(out.Reason[out.HostWords:]) {
				t.Errorf("the host words of the bad result %q are %q of %q", text, out.Reason[:out.HostWords], out.Reason)
			}
		default:
			t.Errorf("%q is %s", text, out.Result)
		}
	})
}
