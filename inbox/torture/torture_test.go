package torture_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
	"inbox/inbox/torture"
)

// options returns options that run this test binary as the program, with a planted fault.
func options(t *testing.T, plant string) torture.Options {
	return torture.Options{
		Dir: t.TempDir(), Env: []string{programEnv + "=" + plant}, Logf: t.Logf,
	}
}

func tortured(t *testing.T, o torture.Options) *torture.Report {
	t.Helper()
	r, err := torture.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Kept != "" {
		if err := os.RemoveAll(r.Kept); err != nil {
			t.Error(err)
		}
	}
	var b strings.Builder
	if err := r.Table(&b); err != nil {
		t.Error(err)
	}
	t.Log(b.String())
	return r
}

func TestTheServerKeepsTheLawsInAShortTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a real server many times")
	}
	o := options(t, "none")
	o.Seed, o.Rounds, o.Epoch, o.Connections = 7, 8, 8, 2
	r := tortured(t, o)
	for _, text := range r.Broken {
		t.Errorf("%s (seed %d)", text, r.Seed)
	}
	if r.Rounds < o.Rounds || r.Answered < 100 || r.Attempts < 100 {
		t.Errorf("no round ran: %+v", r)
	}
}

func TestEventsStoredBeforeTortureSurviveIt(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a real server many times")
	}
	o := options(t, "none")
	o.Seed, o.Rounds, o.Connections, o.Stored, o.Only = 3, 3, 4, 3000, []string{"any moment: kill", "replay under way"}
	r := tortured(t, o)
	for _, text := range r.Broken {
		t.Errorf("%s (seed %d)", text, r.Seed)
	}
	if r.Events < 3000+100 || r.Replays == 0 {
		t.Errorf("no round ran: %+v", r)
	}
	o.StartBound = 1 // nanosecond
	if r := tortured(t, o); !strings.Contains(strings.Join(r.Broken, "; "), "from the start to the first accept") {
		t.Errorf("a slow start was not reported: %q", r.Broken)
	}
}

// Repeated kills make the server disable a plugin that ran alone. That breaks no law.
func TestAPluginBlamedForAKillIsEnabledAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real server")
	}
	o := options(t, "none")
	r, err := torture.Ended(context.Background(), o, func(data string) error { return blame(t, data, "takes-all") })
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range r.Broken {
		t.Error(text)
	}
	if r.Resumed != 1 {
		t.Errorf("%d plugins were resumed, not 1", r.Resumed)
	}
}

// blame records crashes of a plugin's live release until it is disabled.
func blame(t *testing.T, data, plugin string) error {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Dir: data, Server: true})
	if err != nil {
		return err
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	}()
	defer inboxtest.Run(t, s)()
	all, err := s.Plugins(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(p inbox.PluginRecord) bool { return p.Name == plugin })
	if i < 0 || all[i].Live == "" {
		return fmt.Errorf("%s has not run: %+v", plugin, all)
	}
	var known []inbox.CrashRecord
	for range inbox.CrashLoopAfter + 1 {
		if err := s.RecordStart(ctx, plugin, all[i].Live); err != nil {
			return err
		}
		if known, err = s.CountCrashes(ctx); err != nil {
			return err
		}
	}
	if len(known) != 1 || known[0].DisabledAt.IsZero() {
		return fmt.Errorf("no release was disabled: %+v", known)
	}
	return nil
}

func TestTortureFindsAPlantedFault(t *testing.T) {
	if testing.Short() || inboxtest.Race { // the faulty servers are not those whose races matter
		t.Skip("kills a real server many times")
	}
	for plant, by := range map[string]struct{ fault, law string }{
		"an answer before the commit":             {"any moment: kill -9", "law 1: (LOST|.* another seq)"},
		"an answer without a commit":              {"any moment: kill -9", "law 1: LOST"},
		"a settle outside the transaction":        {"after the commit, before anyone is told", "law 4: broken invariant"},
		"a stale read that commits":               {"any moment: kill -9", "law 7: the sum"},
		"a settle without its state":              {"any moment: kill -9", "law 7: .*state"},
		"a settle without what it emits":          {"any moment: kill -9", "law 9: attempt .* is the cause of 0"},
		"an event that is emitted twice":          {"any moment: kill -9", "law 9: attempt .* is the cause of 2"},
		"a request sent before its commit":        {"any moment: kill -9", "law 8: .* no committed attempt"},
		"a request that is done and was not sent": {"any moment: kill -9", "law 8: LOST"},
		"a request with another key at a retry":   {"any moment: kill -9", "law 8: .* no committed attempt"},
		"a request with other bytes":              {"any moment: kill -9", "law 8: .* other bytes"},
		"a request sent again after the next one": {"any moment: kill -9", "law 8: .* arrived before request"},
		"a lane that lets one event pass":         {"any moment: kill -9", "law ([23]: .*( skipped | overtook |before)|4: broken invariant .* subject)"}, // the law depends on the moment of the check
	} {
		t.Run(plant, func(t *testing.T) {
			o := options(t, plant)
			o.Seed, o.Rounds, o.Epoch, o.For, o.Drain, o.Only = 1, 1000, 1000, 5*time.Minute, time.Second, []string{by.fault}
			began := time.Now()
			r := tortured(t, o)
			found := slices.ContainsFunc(r.Broken, func(text string) bool {
				return regexp.MustCompile(by.law).MatchString(text)
			})
			if !found {
				t.Errorf("the fault was not found in %d rounds; the broken laws: %q", r.Rounds, r.Broken)
			}
			t.Logf("found in round %d, after %s: %s", r.Rounds, time.Since(began).Round(time.Millisecond), strings.Join(r.Broken, "; "))
		})
	}
}

func TestASoakReportsResourcesThatGrow(t *testing.T) {
	flat := torture.Sample{Resident: 50 << 20, Files: 20, Goroutines: 40, WAL: 4 << 20}
	grown := map[string]torture.Sample{"": flat}
	for name, change := range map[string]func(*torture.Sample){
		"resident bytes":  func(s *torture.Sample) { s.Resident *= 2 },
		"open files":      func(s *torture.Sample) { s.Files *= 2 },
		"goroutines":      func(s *torture.Sample) { s.Goroutines *= 2 },
		"write-ahead log": func(s *torture.Sample) { s.WAL = 1 << 30 },
	} {
		s := flat
		change(&s)
		grown[name] = s
	}
	for name, last := range grown {
		r := &torture.Report{Samples: []torture.Sample{flat, flat, last}}
		torture.Judge(r)
		if text := strings.Join(r.Broken, "; "); (name == "") != (text == "") || !strings.Contains(text, name) {
			t.Errorf("%q: %q", name, text)
		}
	}
}

// A plugin has a record once it was live. The oracle must check such plugins also while another plugin has no record.
func TestTheOracleChecksEveryPluginThatHasARecord(t *testing.T) {
	for _, plugin := range []string{"parks", "goes-on", "takes-all", "counts", "emits", "posts"} {
		broken, err := torture.Passed(context.Background(), t.TempDir(), plugin)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(broken, "; "); !strings.Contains(text, "law 3: plugin "+plugin+" skipped event 1:") {
			t.Errorf("%s skipped an event, and the oracle found %q", plugin, text)
		}
	}
}

func TestAnUnknownFaultIsRejected(t *testing.T) {
	o := options(t, "none")
	o.Only = []string{"a gentle breeze"}
	if _, err := torture.Run(context.Background(), o); err == nil {
		t.Error("the fault was accepted")
	}
}

func TestInvalidVariablesOfTheHiddenCommandAreRejected(t *testing.T) {
	for name, bad := range map[string]string{
		"INBOX_CRASH_AT": "nowhere:1", "INBOX_CLOCK_STEP": "an hour",
	} {
		_, err := torture.HooksFromEnv(func(n string) string { return map[string]string{name: bad}[n] })
		if err == nil {
			t.Errorf("%s=%s was accepted", name, bad)
		}
	}
	h, err := torture.HooksFromEnv(func(string) string { return "" })
	if err != nil || h.Fault != nil || h.Now != nil || h.Keep != nil || h.Queue != nil || h.Run != nil {
		t.Errorf("without its variables it has hooks: %+v, %v", h, err)
	}
}

func TestTheGuestsAreBuiltFromTheirWat(t *testing.T) {
	wat2wasm, err := exec.LookPath("wat2wasm")
	if err != nil {
		if os.Getenv("INBOX_NO_SKIP") != "" {
			t.Fatal("wat2wasm is needed")
		}
		t.Skip("wat2wasm is needed")
	}
	for _, name := range []string{"session", "command", "counts", "emits", "sends", "hostile"} {
		out := filepath.Join(t.TempDir(), name+".wasm")
		if text, err := exec.Command(wat2wasm, "guests/"+name+".wat", "-o", out).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		got, err := os.ReadFile(out)
		want, werr := os.ReadFile("guests/" + name + ".wasm")
		if err != nil || werr != nil || string(got) != string(want) {
			t.Errorf("guests/%s.wasm differs from its .wat: %v, %v", name, err, werr)
		}
	}
}
