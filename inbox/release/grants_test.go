package release_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/release"
	"inbox/inbox/wasm"
	"inbox/sdk/abi"
)

// asking returns a module with a section inbox.manifest.
func asking(t *testing.T, name, asks string) string {
	t.Helper()
	file, err := wasm.WithCustom([]byte(guest(t, name)), abi.ManifestSection, []byte(asks))
	if err != nil {
		t.Fatal(err)
	}
	return string(file)
}

func TestAModuleThatAsksForMoreThanTheDefaultsNeedsAGrant(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		asks, grants string
		missing      string // the key
	}{
		"nothing":                                      {"", "", ""},
		"less than the default":                        {"limits.memory = '1 MiB'\nlimits.time = '1s'", "", ""},
		"as much as the default":                       {"limits.memory = '64 MiB'", "", ""},
		"more memory":                                  {"limits.memory = '65 MiB'", "", "limits.memory"},
		"more memory, granted":                         {"limits.memory = '65 MiB'", "limits.memory = '65 MiB'", ""},
		"more memory, granted in part":                 {"limits.memory = '65 MiB'", "limits.memory = '64 MiB'", "limits.memory"},
		"the default, granted less":                    {"limits.memory = '64 MiB'", "limits.memory = '1 MiB'", "limits.memory"},
		"more time":                                    {"limits.time = '6s'", "", "limits.time"},
		"more output":                                  {"limits.output = '2 MiB'", "", "limits.output"},
		"more log":                                     {"limits.log = '1 MiB'", "", "limits.log"},
		"fuel, which has no default bound":             {"limits.fuel = 5", "", ""},
		"more fuel than granted":                       {"limits.fuel = 5", "limits.fuel = 4", "limits.fuel"},
		"longer texts":                                 {"data.inline_max = '1 MiB'", "", "data.inline_max"},
		"fields, when all are shown":                   {"data.fields = ['/data/id']", "", ""},
		"fields below those granted":                   {"data.fields = ['/data/id']", "data.fields = ['/data']", ""},
		"fields beside those granted":                  {"data.fields = ['/data/idx']", "data.fields = ['/data/id']", "data.fields"},
		"fields, with none granted":                    {"data.fields = ['/data']", "data.fields = []", "data.fields"},
		"the whole body, with a part granted":          {"data.fields = ['']", "data.fields = ['/data']", "data.fields"},
		"events that the operator narrows":             {"events = ['a', 'b']", "events = ['a']", ""},
		"modes that the operator narrows":              {"modes = ['live', 'test']", "modes = ['test']", ""},
		"unknown events":                               {"events = ['unknown']", "", "events"},
		"a pattern, which matches no unknown event":    {"events = ['*']", "", ""},
		"emitted events":                               {"events = ['customer.*']", "", "events"},
		"to emit an event":                             {"emit = ['customer.passed']", "", "emit"},
		"to emit an event, granted":                    {"emit = ['customer.passed']", "emit = ['customer.passed', 'a.b']", ""},
		"to emit an event, granted by a pattern":       {"emit = ['customer.passed', 'customer.p*']", "emit = ['customer.*']", ""},
		"to emit more than is granted":                 {"emit = ['customer.*']", "emit = ['customer.passed']", "emit"},
		"to emit an event, with none granted":          {"emit = ['customer.passed']", "emit = []", "emit"},
		"unknown events, decided by the file":          {"events = ['unknown']", "events = ['a']", ""},
		"past events":                                  {"start_from = 'start'", "", "start_from"},
		"past events, decided by the file":             {"start_from = 'start'", "start_from = 'now'", ""},
		"the interpreter":                              {"engine = 'interpreter'", "", "engine"},
		"the interpreter, granted":                     {"engine = 'interpreter'", "engine = 'interpreter'", ""},
		"the interpreter, decided by the file":         {"engine = 'interpreter'", "engine = 'compiler'", ""},
		"retries without a limit":                      {"on_failure = 'block'", "", "on_failure"},
		"retries without a limit, granted":             {"on_failure = 'block'", "on_failure = 'block'", ""},
		"retries without a limit, decided by the file": {"on_failure = 'block'", "on_failure = 'park'", ""},
		"to go on after a failure":                     {"on_failure = 'continue'", "", ""},
		"the engine that any plugin has":               {"engine = 'compiler'", "", ""},
		"a condition on a hidden value":                {"where = {'/data/sex' = ['m', 'f']}", "data.fields = ['/data/id']", "where./data/sex"},
		"a condition on a visible value":               {"where = {'/data/id/x' = 1}", "data.fields = ['/data/id']", ""},
		"a condition, when the whole body is shown":    {"where = {'/data/sex' = 'm'}", "", ""},
		"a condition, decided by the file":             {"where = {'/data/sex' = 'm'}", "data.fields = []\nwhere = {'/data/sex' = 'f'}", ""},
		"to be ordered by a hidden value":              {"key_by = '/data/name'", "data.fields = ['/data/id']", "key_by"},
		"to be ordered by a hidden value, granted":     {"key_by = '/data/name'", "key_by = '/data/name'\ndata.fields = ['/data/id']", ""},
		"to be ordered by the reference":               {"key_by = 'customer_reference'", "data.fields = ['/data/id']", ""},
		"more attempts at a time than there are":       {"concurrency = 64", "", ""},
	} {
		a, err := release.Agree("p", []byte(asking(t, "ok", c.asks)), []byte(c.grants), 2)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var missing []string
		for _, term := range a.Permissions {
			if term.Missing {
				missing = append(missing, term.Key)
			}
		}
		if got := strings.Join(missing, " "); got != c.missing {
			t.Errorf("%s: missing %q, want %q", name, got, c.missing)
		}
		if err := a.Err("p"); (err != nil) != (c.missing != "") || (err != nil && !strings.Contains(inbox.HintOf(err), "p.toml")) {
			t.Errorf("%s: %v (%s)", name, err, inbox.HintOf(err))
		}
	}
}

// A key that is not a bare TOML key is quoted in the hint.
func TestTheHintForAConditionQuotesItsKey(t *testing.T) {
	t.Parallel()
	a, err := release.Agree("p", []byte(asking(t, "ok", "where = {'/data/a.b' = 'x'}")), []byte("data.fields = []"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := inbox.HintOf(a.Err("p")), `under [where], "/data/a.b" = 'x'`; !strings.HasSuffix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if again, err := release.Agree("p", []byte(asking(t, "ok", "where = {'/data/a.b' = 'x'}")), []byte("data.fields = []\n[where]\n\"/data/a.b\" = 'x'\n"), 1); err != nil || again.Err("p") != nil {
		t.Errorf("with the grants of the hint: %v, %v", err, again.Err("p"))
	}
}

func TestTheFileOverridesTheSectionAndTheSectionOverridesTheDefaults(t *testing.T) {
	t.Parallel()
	asks := "events = ['a']\nsources = ['s']\nkey_by = 'customer_reference'\norder = 'none'\non_failure = 'continue'\nconcurrency = 64\nreuse = 9\n" +
		"config = {a = 1, b = 2}\nretry.base = '2s'\nretry.max = '3s'\nretry.max_attempts = 4\nlimits.time = '1s'\ndata.fields = ['/data/id']\nwhere = {'/data/x' = 1}\nemit = ['a.b']\n"
	grants := "events = ['b']\nemit = ['a.*']\norder = 'global'\nconfig = {b = 3}\nretry.max_attempts = 5\nlimits.time = '2s'\ndata.fields = ['/data']\n"
	a, err := release.Agree("p", []byte(asking(t, "ok", asks)), []byte(grants), 4)
	if err != nil || a.Err("p") != nil {
		t.Fatal(err, a.Err("p"))
	}
	want := inbox.Manifest{
		Plugin: "p", Events: []string{"b"}, Emit: []string{"a.*"}, Sources: []string{"s"}, Where: []inbox.Condition{{Pointer: "/data/x", Values: []string{"1"}}}, KeyBy: "customer_reference",
		Order: inbox.Global, Concurrency: 4, Reuse: 9, Config: map[string]string{"a": "1", "b": "3"},
		Policy: inbox.Policy{OnFailure: inbox.Continue, MaxAttempts: 5, Base: 2 * time.Second, Max: 3 * time.Second},
		Limits: inbox.Limits{Time: 2 * time.Second}, Data: inbox.Data{Fields: []string{"/data"}},
	}.WithDefaults(4)
	if diff := cmp.Diff(want, a.Manifest); diff != "" {
		t.Error(diff)
	}
	i := slices.IndexFunc(a.Permissions, func(t inbox.Permission) bool { return t.Key == "limits.time" })
	if i < 0 || !cmp.Equal(a.Permissions[i], inbox.Permission{Key: "limits.time", Asks: "'1s'", Grants: "'2s'"}) {
		t.Errorf("%+v", a.Permissions)
	}
}

func TestASectionIsReadAsStrictlyAsTheFile(t *testing.T) {
	t.Parallel()
	file := asking(t, "ok", "")
	for name, c := range map[string]struct{ wasm, message string }{
		"a wrong key":     {asking(t, "ok", "\nlimts.time = '1s'"), `its section inbox.manifest: read the manifest: line 2: unknown key "limts.time"; did you mean "limits.time"?`},
		"a later key":     {asking(t, "ok", "[http]\nproxy = 'environment'"), `"http.proxy" is not in this version`},
		"two of them":     {file + file[len(file)-17:], "several sections inbox.manifest"},
		"a huge one":      {asking(t, "ok", "#"+strings.Repeat("x", release.MaxManifest)), "65537 bytes, more than 65536"},
		"one that is cut": {file[:len(file)-1], "cut off"},
	} {
		if _, err := release.Agree("p", []byte(c.wasm), nil, 1); inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := release.Agree("p", []byte(file), []byte("x = 1"), 1); err == nil || !strings.HasPrefix(err.Error(), "p.toml: ") {
		t.Errorf("an invalid file: %v", err)
	}
	other := asking(t, "ok", "events = ['a']")
	if again, err := wasm.WithCustom([]byte(file), abi.ManifestSection, []byte("events = ['a']")); err != nil || string(again) != other {
		t.Errorf("the section was not replaced: %q, %v", again, err)
	}
	if release.Describe("p", []byte(file), nil).ID == release.Describe("p", []byte(other), nil).ID {
		t.Error("the section of a module does not change the id of its release")
	}
}

// The release before runs until the operator grants what the new one asks for.
func TestANewReleaseThatAsksForMoreWaitsForTheGrant(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("a.wasm", asking(t, "ok", "events = ['a']"))
	b.poll()
	first := b.live("a")
	if first == nil || !slices.Equal(first.Manifest.Events, []string{"a"}) {
		t.Fatalf("%+v", b.entry("a"))
	}
	b.write("a.wasm", asking(t, "session_ok", "[limits]\nmemory = '128 MiB'\n"))
	b.poll()
	e := b.entry("a")
	if e.State != inbox.FileRefused || b.live("a") != first || !strings.Contains(e.Err, "limits.memory = '128 MiB' (a.toml does not set it, and the default is less)") {
		t.Errorf("%+v", e)
	}
	if want := "to grant it write into a.toml beside it: under [limits], memory = '128 MiB'"; e.Hint != want {
		t.Errorf("%q, want %q", e.Hint, want)
	}
	b.write("a.toml", "[limits]\nmemory = '128 MiB'\n")
	b.poll()
	if live := b.live("a"); live == first || live.Manifest.Limits.Memory != 128<<20 {
		t.Errorf("%+v", b.entry("a"))
	}
}
