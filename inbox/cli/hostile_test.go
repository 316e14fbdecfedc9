package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
	"inbox/inbox/operator"
	"inbox/inbox/qoreid"
	"inbox/inbox/store"
)

// hostile is a text with characters that move the cursor, hide text or change its direction, and with invalid UTF-8.
const hostile = "evil\x1b[2J\x1b]0;t\x07\r\u009b31m\x7f\u202e\u2066\u200b\ufeff\u2028\U000e0041\ue000\xffend"

// unprintable returns the first character that must not be printed, with its surroundings. Line feeds and tabs are allowed.
func unprintable(text string) string {
	for i, r := range text {
		if r != '\n' && r != '\t' && inbox.Unprintable(r) || strings.HasPrefix(text[i:], "\xff") {
			return text[max(0, i-20):min(len(text), i+20)]
		}
	}
	return ""
}

// hostileControl is a server with hostile names and texts.
type hostileControl struct{ idleControl }

func (hostileControl) Files(context.Context) ([]operator.File, error) {
	return []operator.File{
		{Plugin: "crm", State: inbox.FileLive, Live: "rel1", Release: "rel1", Note: hostile, Engine: hostile},
		{Plugin: hostile, State: inbox.FileRefused, Err: hostile, Hint: hostile},
	}, nil
}

func (hostileControl) Inspect(context.Context, string, string) (*inbox.Module, error) {
	return &inbox.Module{SHA256: hostile, Kind: hostile, Imports: []string{hostile}, Exports: []string{hostile}, Engine: hostile}, nil
}

func (hostileControl) Permissions(context.Context, string, string) ([]inbox.Permission, error) {
	return []inbox.Permission{{Key: hostile, Asks: hostile, Grants: hostile, Missing: true, How: hostile}}, nil
}

func (hostileControl) Manifest(context.Context, string) (*inbox.Manifest, error) { return nil, nil }

func (hostileControl) Unsent(string) (why, hint string) { return hostile, hostile }

// Notes returns a hostile one.
func (hostileControl) Notes(context.Context) []string { return []string{hostile} }

// hostileSources explains refused requests with hostile text.
type hostileSources struct{}

func (hostileSources) Verify(*inbox.Refused) (*inbox.Arrival, string, error) {
	return nil, hostile, nil
}

func (hostileSources) Explain(*inbox.Refused) string { return hostile }

// storeHostile stores an event with a dead delivery, and a refused request. Every text in them is hostile.
func storeHostile(t *testing.T, s *store.Store) (id string) {
	t.Helper()
	body := `{"event":"x","data":{"a":"` + "\u009b\u202e\u200b\x7f\U000e0041\xff" + `"}}`
	a := inboxtest.Arrival(body)
	a.Source, a.SecretName = hostile, hostile
	a.View.Event, a.View.EventType, a.View.ExternalID, a.View.Key, a.View.CustomerReference = hostile, hostile, hostile, hostile, hostile
	a.View.Status, a.View.State, a.View.SubStatus = hostile, hostile, hostile
	a.Payload.Headers = append(a.Payload.Headers, inbox.Header{Name: hostile, Value: hostile})
	r, err := s.Accept(t.Context(), a)
	if err == nil {
		err = s.Register(t.Context(), "crm", inbox.StartFrom{Start: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	inboxtest.Accept(t, s, hostile) // not JSON
	inboxtest.Accept(t, s, "third") // event tail ends after it
	lane, at := inbox.LaneID{Mode: a.Mode, Key: hostile}, time.Now()
	settled := make(chan error, 1)
	err = s.Settle(t.Context(), &inbox.Settlement{
		Plugin: "crm", Term: s.Term(), Position: inbox.PositionChange{Cursor: 1},
		Attempt: &inbox.Attempt{
			Plugin: "crm", Seq: 1, Number: 1, Result: inbox.Reject, Fate: inbox.Dead, Counted: true, StartedAt: at, Release: "rel1",
			Reason: hostile, Log: []byte("one\n" + hostile + "\n"),
		},
		Lane: inbox.LaneChange{Put: &inbox.Lane{ID: lane, Next: 1, State: inbox.LaneParked, Attempt: 1, Counted: 1, Since: at}},
		Dead: &inbox.DeadLetter{Plugin: "crm", Seq: 1, Attempt: 1, Lane: lane, Parks: true, Result: inbox.Reject, DiedAt: at},
	}, func(err error) { settled <- err })
	if err == nil {
		err = <-settled
	}
	if err == nil {
		err = s.Refuse(t.Context(), &inbox.Refused{
			Source: hostile, Address: hostile, Why: qoreid.Mismatch, ReceivedAt: at, Payload: inbox.Payload{Body: []byte(hostile)},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// TestOutputCannotControlATerminal stores hostile text in every field that takes text from outside. It searches the output of every
// command for it, in each format, on a terminal and elsewhere.
func TestOutputCannotControlATerminal(t *testing.T) {
	s := inboxtest.Store(t, store.Options{})
	id := storeHostile(t, s)
	front := httptest.NewServer(operator.RequireToken(operator.Gate{File: "sesame"}, operator.New(operator.Options{Store: s, Control: hostileControl{}, Sources: hostileSources{}, Serving: true})))
	defer front.Close()
	run := func(terminal bool, args ...string) (string, string) {
		p, out, errs := testProgram("")
		p.OutTerminal = terminal
		p.Getenv = func(name string) string {
			return map[string]string{"INBOX_URL": front.URL, "INBOX_TOKEN": "sesame"}[name]
		}
		p.run(t.Context(), args)
		return out.String(), errs.String()
	}
	reveal := []string{"--reveal", "--reason", hostile}
	calls := append(readCalls([]string{id}),
		append([]string{"event", "show", id}, reveal...), append([]string{"dead", "list"}, reveal...), append([]string{"dead", "show", id}, reveal...),
		append([]string{"entity", "show", hostile}, reveal...), []string{"plugin", "inspect", hostile}, []string{"event", "show", hostile},
		[]string{"secret", "recheck"}, []string{"secret", "recheck", "--dry-run"}, []string{"secret", "discard", "--why", hostile}, []string{"audit"},
		[]string{hostile}, []string{"event", hostile}, []string{"event", "list", "--" + hostile}, []string{"event", "list", "--since", hostile},
		[]string{"event", "list", "--key", hostile}, []string{"send", hostile}, []string{"secret", "check", "--config", hostile, "--source", hostile},
		[]string{"dead", "retry", hostile, "-y"}, []string{"plugin", "pause", hostile, "-y"}, []string{"plugin", "install", hostile},
	)
	checked := 0
	for _, call := range calls {
		for _, format := range []string{"", "table", "json", "jsonl", "ids"} {
			for _, terminal := range []bool{false, true} {
				args := slices.Clone(call)
				if format != "" {
					args = append(args, "-o", format)
				}
				out, errs := run(terminal, args...)
				for stream, text := range map[string]string{"output": out, "messages": errs} {
					if checked++; unprintable(text) != "" {
						t.Errorf("inbox %q, terminal %v: the %s contain %q", args, terminal, stream, unprintable(text))
					}
				}
				if format == "json" {
					checkOneValue(t, args, out+errs)
				}
			}
		}
	}
	if checked < 400 {
		t.Errorf("only %d outputs were checked", checked)
	}
	if out, _ := run(true, "event", "show", id, "--raw", "--reason", "x"); unprintable(out) != "" {
		t.Errorf("--raw on a terminal: %q", out)
	}
	if out, _ := run(false, "event", "show", id, "--raw", "--reason", "x"); !strings.Contains(out, "\u202e\u200b\x7f\U000e0041\xff") {
		t.Errorf("--raw elsewhere differs from the received bytes: %q", out)
	}
	var events []api.Event
	out, _ := run(false, "event", "list", "-o", "json")
	if err := json.Unmarshal([]byte(out), &events); err != nil || events[2].Event != strings.ToValidUTF8(hostile, "\ufffd") {
		t.Errorf("values are not exact in JSON: %v, %q", err, out)
	}
}

// checkOneValue fails the test unless both streams together are one JSON value, as for a program that merges them.
func checkOneValue(t *testing.T, args []string, both string) {
	t.Helper()
	if len(args) > 2 && args[0] == "event" && args[1] == "tail" {
		return // a stream has one value per line
	}
	if strings.TrimSpace(both) != "" && !json.Valid([]byte(both)) {
		t.Errorf("the output of inbox %q is not one JSON value: %s", args, both)
	}
}

func TestTheLogCannotControlATerminal(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		for _, terminal := range []bool{false, true} {
			p, _, errs := testProgram("")
			p.ErrTerminal = terminal
			s, err := p.settingsFor(t, format)
			if err != nil {
				t.Fatal(err)
			}
			log := p.logger(s, false).With("with", hostile, hostile, 1).WithGroup(hostile)
			log.Info(hostile, "text", hostile, "error", errors.New(hostile), hostile, 1, slog.Group("g", "x", hostile), "list", []string{hostile},
				"secret", qoreid.Secret{Name: hostile})
			text := errs.String()
			if format == "text" && terminal { // the colours of the log
				for strings.Contains(text, "\x1b[") {
					from := strings.Index(text, "\x1b[")
					text = text[:from] + text[from+strings.IndexByte(text[from:], 'm')+1:]
				}
			}
			if strings.Count(text, "\n") != 1 || unprintable(text) != "" || strings.Contains(text, "\x1b") {
				t.Errorf("%s, terminal %v: %q", format, terminal, text)
			}
			var line map[string]any
			if format == "json" && (json.Unmarshal(errs.Bytes(), &line) != nil || line["msg"] != strings.ToValidUTF8(hostile, "\ufffd")) {
				t.Errorf("the JSON log is not exact: %s", errs)
			}
		}
	}
}

func TestMetricsCannotControlATerminal(t *testing.T) {
	m := operator.NewMetrics()
	m.CountWebhook(operator.Webhook{Source: hostile, Code: 401, Status: hostile, Secret: hostile})
	m.CountAttempt(&inbox.Attempt{Plugin: hostile, Result: inbox.Outcome{}.Result})
	s := inboxtest.Store(t, store.Options{})
	front := httptest.NewServer(operator.Health(operator.Options{Store: s, Control: hostileControl{}, Version: hostile}, m))
	defer front.Close()
	resp, err := front.Client().Get(front.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil || unprintable(text.String()) != "" || !strings.Contains(text.String(), "evil") {
		t.Errorf("%v: %q", err, unprintable(text.String()))
	}
}
