package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/cli/console"
	"inbox/inbox/inboxtest"
	"inbox/inbox/operator"
	"inbox/inbox/qoreid"
	"inbox/inbox/store"
	"inbox/inbox/storetest"
)

// mark is in every text of payloads, reasons and logs that may contain personal data.
const mark = "Adaeze Okonkwo"

// marked returns a sample of a kind with the mark in every text that is not in the keep-list.
func marked(t *testing.T, k qoreid.Kind, id int64) []byte {
	t.Helper()
	body, err := qoreid.Sample(k, id, "ref-1")
	var v any
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	kept := []string{"event", "event_type", "type", "id", "customerReference", "reference", "status", "state", "subStatus", "code", "label", "stateCode", "stateLabel"}
	var walk func(v any, name string) any
	walk = func(v any, name string) any {
		switch v := v.(type) {
		case map[string]any:
			for key, x := range v {
				v[key] = walk(x, key)
			}
		case []any:
			for i, x := range v {
				v[i] = walk(x, name)
			}
		case string:
			if !slices.Contains(kept, name) {
				return mark + " " + v
			}
		}
		return v
	}
	if body, err = json.Marshal(walk(v, "")); err != nil || !bytes.Contains(body, []byte(mark)) {
		t.Fatalf("the sample of %s does not contain the mark: %s, %v", k, body, err)
	}
	return body
}

// testSources explains all refused requests with the same text.
type testSources struct{}

func (testSources) Verify(*inbox.Refused) (*inbox.Arrival, string, error) {
	return nil, "mismatch", nil
}

func (testSources) Explain(*inbox.Refused) string { return "no secret made it" }

// crmControl is a server in which the plugin crm is live.
type crmControl struct{ idleControl }

func (crmControl) Files(context.Context) ([]operator.File, error) {
	return []operator.File{{Plugin: "crm", State: inbox.FileLive, Live: "rel1", Release: "rel1"}}, nil
}

// TestPersonalDataIsShownOnlyWithRevealWhichIsRecorded stores the mark in every text of payloads, reasons and logs. It searches the
// output of every command for it, in each format.
func TestPersonalDataIsShownOnlyWithRevealWhichIsRecorded(t *testing.T) {
	s := inboxtest.Store(t, store.Options{})
	ids := storeMarked(t, s)
	front := httptest.NewServer(operator.RequireToken(operator.Gate{File: "sesame"}, operator.New(operator.Options{Store: s, Control: crmControl{}, Sources: testSources{}, Serving: true})))
	defer front.Close()
	run := func(args ...string) string {
		p, out, errs := testProgram("")
		p.Getenv = func(name string) string {
			return map[string]string{"INBOX_URL": front.URL, "INBOX_TOKEN": "sesame"}[name]
		}
		code := p.run(t.Context(), args)
		if noFormat := strings.Contains(errs.String(), "the output format is"); code != console.ExitDone && code != console.ExitIncomplete && !noFormat {
			t.Fatalf("%q exits with %d: %s", args, code, errs)
		}
		return out.String() + errs.String()
	}
	calls := readCalls(ids)
	formats := 0
	for _, call := range calls {
		for _, format := range listFormats() {
			got := run(append(slices.Clone(call), "-o", format)...)
			if strings.Contains(got, "the output format is") {
				continue // the command has no such format
			}
			formats++
			if strings.Contains(got, "Adaeze") || strings.Contains(got, "Okonkwo") {
				t.Errorf("inbox %s -o %s shows personal data:\n%s", strings.Join(call, " "), format, got)
			}
		}
	}
	if formats < 60 {
		t.Errorf("only %d outputs were checked", formats)
	}
	if got := run("audit", "--action", "reveal", "-o", "json"); got != "[]\n" {
		t.Errorf("a reveal is recorded before there was one: %s", got)
	}
	for _, call := range [][]string{
		{"event", "show", ids[0], "--reveal"}, {"event", "show", ids[0], "--reveal", "-o", "json"}, {"entity", "show", "qoreid/address/1", "--reveal"},
		{"state", "get", "crm", stateKey, "--reveal"}, {"state", "history", "crm", stateKey, "--reveal"}, {"state", "diff", "crm", stateKey, "--reveal"},
		{"event", "show", ids[1], "--reveal"}, {"dead", "list", "--reveal"}, {"dead", "show", ids[0], "--reveal"}, {"event", "show", ids[0], "--raw"},
	} {
		before := strings.Count(run("audit", "--action", "reveal"), "ticket 7")
		if got := run(append(call, "--reason", "ticket 7")...); !strings.Contains(got, mark) {
			t.Errorf("inbox %s does not show personal data:\n%s", strings.Join(call, " "), got)
		}
		if after := strings.Count(run("audit", "--action", "reveal", "--actor", "token"), "ticket 7"); after <= before {
			t.Errorf("inbox %s shows personal data, which is not recorded", strings.Join(call, " "))
		}
	}
}

// stateKey is the key of the state document that storeMarked stores.
const stateKey = "qoreid/workflow/99"

// readCalls returns calls of every command that shows data of a store. The first event must be dead.
func readCalls(ids []string) (calls [][]string) {
	calls = [][]string{
		{"event", "list"}, {"entity", "list"}, {"dead", "list", "--resolved"}, {"plugin", "list"}, {"plugin", "inspect", "crm"}, {"status"}, {"secret", "check"},
		{"replay", "--all", "--dry-run"}, {"replay", "--list"}, {"dead", "retry", "--all", "--dry-run"}, {"dead", "discard", "--all", "--dry-run"}, {"audit"}, {"token", "list"},
		{"event", "tail", "--since", "1h", "--limit", "3"}, {"state", "list"}, {"state", "list", "crm"},
		{"state", "get", "crm", stateKey}, {"state", "history", "crm", stateKey}, {"state", "diff", "crm", stateKey},
	}
	for _, id := range ids {
		calls = append(calls, []string{"event", "show", id})
	}
	calls = append(calls, []string{"dead", "show", ids[0]}, []string{"entity", "show", "qoreid/address/1"}, []string{"entity", "show", "ref-1"})
	return calls
}

// storeMarked stores one event of every kind, a body that is not JSON, a dead delivery with a reason and a log, and a refused request.
// All contain the mark. It returns the ids of the events. The first event is dead.
func storeMarked(t *testing.T, s *store.Store) (ids []string) {
	t.Helper()
	for i, k := range qoreid.Kinds() {
		ids = append(ids, inboxtest.Accept(t, s, string(marked(t, k, int64(i+1)))).ID)
	}
	ids = append(ids, inboxtest.Accept(t, s, "<xml>"+mark+"</xml>").ID)
	if err := s.Register(t.Context(), "crm", inbox.StartFrom{Start: true}); err != nil {
		t.Fatal(err)
	}
	e, err := s.Event(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	lane, at := inbox.LaneID{Mode: e.Mode, Key: e.View.Key}, time.Now()
	settled := make(chan error, 1)
	err = s.Settle(t.Context(), &inbox.Settlement{
		Plugin: "crm", Term: s.Term(), Position: inbox.PositionChange{Cursor: 1},
		Attempt: &inbox.Attempt{
			Plugin: "crm", Seq: 1, Number: 1, Result: inbox.Reject, Fate: inbox.Dead, Counted: true, StartedAt: at, Release: "rel1",
			Reason: "it says: " + mark + " is not welcome", HostWords: len("it says"), Log: []byte("saw " + mark + "\n"),
		},
		Lane: inbox.LaneChange{Put: &inbox.Lane{ID: lane, Next: 1, State: inbox.LaneParked, Attempt: 1, Counted: 1, Since: at}},
		Dead: &inbox.DeadLetter{Plugin: "crm", Seq: 1, Attempt: 1, Lane: lane, Parks: true, Result: inbox.Reject, DiedAt: at},
	}, func(err error) { settled <- err })
	if err == nil {
		err = <-settled
	}
	if err == nil {
		err = storetest.Settle(s, &inbox.Settlement{
			Plugin: "crm", Attempt: &inbox.Attempt{Plugin: "crm", Seq: 2, Number: 1, Result: inbox.OK, Fate: inbox.Done, Counted: true, StartedAt: at, Release: "rel1"},
			Effects: &inbox.Effects{Lane: inbox.LaneID{Mode: inbox.Live, Key: stateKey}, State: &inbox.StateChange{State: inbox.State{
				Document: []byte(`{"name":"` + mark + `","status":"` + mark + `","` + mark + `":["` + mark + `",1]}`), Version: 3,
			}}},
		})
	}
	if err == nil {
		err = s.Refuse(t.Context(), &inbox.Refused{
			Source: "qoreid", Address: "192.0.2.1", Why: qoreid.Missing, ReceivedAt: at, Size: len(mark),
			Payload: inbox.Payload{Headers: []inbox.Header{{Name: "x-name", Value: mark}}, Body: []byte(mark)},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return ids
}
