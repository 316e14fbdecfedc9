package release_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/release"
)

func TestManifestsAreReadStrictly(t *testing.T) {
	t.Parallel()
	m, err := release.ParseManifest([]byte(`
events = ["workflow", "address"]
event_types = ["verification_*"]
modes = ["live"]
key_by = "/data/user"
order = "key"
on_failure = "continue"
start_from = "start"
engine = "interpreter"
reuse = 10
[where]
"/data/status/status" = ["VERIFIED", 7, true]
[retry]
max_attempts = 3
base = "5s"
max = "1m"
[limits]
time = "2s"
memory = "32 MiB"
output = 1000
fuel = 5_000_000
[data]
fields = ["/data/id", "/data/a~1b/0", ""]
inline_max = "1 KiB"
[config]
url = "https://example.com"
n = 5
`))
	if err != nil {
		t.Fatal(err)
	}
	if m.Engine != inbox.Interpreter || m.KeyBy != "/data/user" || m.Policy.OnFailure != inbox.Continue || !m.StartFrom.Start || m.Limits.Memory != 32<<20 ||
		m.Limits.Time != 2*time.Second || m.Limits.Fuel != 5_000_000 || len(m.Where) != 1 || m.Where[0].Values[1] != "7" || m.Config["n"] != "5" || m.Policy.MaxAttempts != 3 {
		t.Errorf("%+v", m)
	}
	if want := (inbox.Data{Fields: []string{"/data/id", "/data/a~1b/0", ""}, InlineMax: 1 << 10}); !cmp.Equal(m.Data, want) {
		t.Errorf("%+v, want %+v", m.Data, want)
	}
	if none, err := release.ParseManifest([]byte("[data]\nfields = []")); err != nil || none.Data.Fields == nil || len(none.Data.Fields) > 0 {
		t.Errorf("no field of the body: %+v, %v", none.Data, err) // nil would be the whole body
	}
	many := "[data]\nfields = [" + strings.Repeat(`"/a",`, 1001) + `]`
	for text, message := range map[string]string{
		many: "line 2: data.fields has 1001 pointers, more than 1000",
		"[data]\nfields = [\"/" + strings.Repeat("a", 1000) + "\"]": "data.fields has a pointer of 1001 bytes, more than 1000",
		"evnts = []":                                `line 1: unknown key "evnts"; did you mean "events"?`,
		"[limit]\ntime = \"1s\"":                    `did you mean "limits`,
		"\n\nkey_by = \"id\"":                       `line 3: key_by is "id"`,
		"key_by = \"\"":                             "line 1: key_by",
		"key_by = \"/a~2\"":                         "JSON pointer",
		"order = \"random\"":                        "line 1: order",
		"order = \"\"":                              "order",
		"[limits]\nmemory = \"lots\"":               "line 2: limits.memory",
		"[limits]\nmemory = 0":                      "limits.memory is 0, not between",
		"[limits]\nfuel = 0":                        "line 2: limits.fuel is 0, not between 1 and",
		"emit = [\"x\"]":                            `line 1: emit has "x", which has no dot`,
		"emit = [\"*\"]":                            `line 1: emit has "*", which has no dot`,
		"emit = [\"a.*.b\"]":                        `line 1: emit has "a.*.b", not a name that may end in *`,
		"emit = \"a.b\"":                            "line 1",
		"[http]\nproxy = \"environment\"":           `line 2: "http.proxy" is not in this version`,
		"[http]\nalow = []":                         `line 2: unknown key "http.alow"; did you mean "http.allow"?`,
		"[http]\nallow = [\"https://a.test/x\"]":    `line 2: http.allow has an origin that cannot be granted`,
		"[http]\nallow = [\"http://10.0.0.1\"]":     `write private = ["http://10.0.0.1"]`,
		"[http]\nca = \"ca.pem\"":                   `line 2: http.ca is "ca.pem", not the whole path`,
		"[http]\non_failure = \"block\"":            `line 2: http.on_failure is "block", not one of ["park" "continue"]`,
		"[http.retry]\nmax_attempts = 0":            "line 2: http.retry.max_attempts is 0, not between 1 and 1000",
		"[http.retry]\nbase = \"2h\"\nmax = \"1h\"": "line 2: http.retry.base makes the first wait, 2h0m0s, longer",
		"[data]\nfield = [\"/a\"]":                  `line 2: unknown key "data.field"; did you mean "data.fields"?`,
		"data = []":                                 "line 1",
		"[data]\nfields = [\"/a\", \"id\"]":         `line 2: data.fields has "id", not a JSON pointer such as "/data/id"`,
		"[data]\nfields = [\"/a~2\"]":               "data.fields has",
		"[data]\nfields = \"/a\"":                   "line 2",
		"[data]\nfields = [1]":                      "line 2",
		"[data]\n\ninline_max = 0":                  "line 3: data.inline_max is 0, not between 128 and 67108864 bytes",
		"[data]\ninline_max = \"1 GiB\"":            "line 2: data.inline_max is 1 GiB, not between",
		"[data]\ninline_max = true":                 "data.inline_max is neither a number nor a text",
		"[secrets]\na = \"env:A\"":                  "line 2",
		"[secrets]\na = {value = \"env:A\"}":        "secrets.a has no origins",
		"[secrets]\na = {value = \"hunter2\", origins = [\"https://a.test\"]}":     `do not write a secret into the file`,
		"[secrets]\na = {value = \"file:x\", origins = [\"https://a.test\"]}":      `not "env:NAME" or "file:/PATH"`,
		"[secrets]\n\"a b\" = {value = \"env:A\", origins = [\"https://a.test\"]}": "has a name that is not 1 to 64 letters",
		"engine = \"jit\"":                          `line 1: engine is "jit", not one of ["compiler" "interpreter"]`,
		"[retry]\nbase = \"2h\"\nmax = \"1h\"":      "line 2: retry.base makes the first wait, 2h0m0s, longer",
		"[retry]\nmax = \"30s\"":                    "line 2: retry.max makes the first wait, 1m0s, longer",
		"[retry]\nmax_attempts = 0":                 "line 2: retry.max_attempts is 0, not between 1 and 1000",
		"concurrency = 100\nreuse = -1":             "line 1: concurrency is 100, not between 1 and 64; line 2: reuse is -1",
		"reuse = -1\nevnts = []\n":                  "line 1: reuse is -1, not between 1 and 1000000; line 2: unknown key",
		"concurrency = 0":                           "concurrency is 0",
		"start_from = \"yesterday\"":                "start_from",
		"[where]\nstatus = \"x\"":                   "line 2: where.status is not a JSON pointer",
		"[where]\n\"/a\" = []":                      "line 2: where./a is empty",
		"[where]\n\"/a\" = 2020-01-01":              "where./a is neither",
		"events = [":                                "line 1",
		"a = 1\nevents = 5":                         "line 2",
		"events = []":                               "events is empty, which matches no event",
		"events = [\"\"]":                           "events",
		"event_types = [\"a*b\"]":                   `event_types has "a*b"`,
		"[config]\nx = [1]":                         "line 2: config.x",
		"[limits]\ntime = \"1h\"\nlog = 9999999999": "line 2: limits.time is \"1h\", not a duration between 1ms and 10m0s such as \"30s\"; line 3: limits.log",
		"modes = [\"production\"]":                  "modes",
	} {
		if _, err := release.ParseManifest([]byte(text)); inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), message) {
			t.Errorf("%q: %v; want a message with %s", text, err, message)
		}
	}
	if m, err := release.ParseManifest(nil); err != nil || !cmp.Equal(m, inbox.Manifest{}) {
		t.Errorf("no manifest: %+v, %v", m, err)
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte("events = [\"a\"]\n[limits]\nmemory = \"1 GiB\"\n"))
	f.Add([]byte("[where]\n\"/a\" = [1, 2.5, true]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := release.ParseManifest(text)
		if err != nil && inbox.KindOf(err) != inbox.Invalid {
			t.Errorf("%v", err)
		}
		if d := m.WithDefaults(1); err == nil && (d.Concurrency < 1 || d.Limits.Memory < 1 || d.Policy.MaxAttempts < 1) {
			t.Errorf("%+v", d)
		}
	})
}
