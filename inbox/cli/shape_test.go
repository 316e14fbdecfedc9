package cli

import (
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
	"pgregory.net/rapid"

	"inbox/inbox/inboxtest"
	"inbox/inbox/operator"
	"inbox/inbox/store"
)

var snake = regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`)

// shapeErrors returns the mistakes in a JSON value: names that are not snake_case, and times that are not in UTC. It skips headers and
// bodies, whose names come from senders, and state documents, whose names come from plugins.
func shapeErrors(v any, at string) (wrong []string) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			wrong = append(wrong, shapeErrors(x, at+"[]")...)
		}
	case map[string]any:
		for name, x := range v {
			place := at + "." + name
			text, isText := x.(string)
			_, err := time.Parse(time.RFC3339Nano, text)
			switch {
			case !snake.MatchString(name):
				wrong = append(wrong, place+" is not in snake case")
			case strings.HasSuffix(name, "_at") && (!isText || err != nil || !strings.HasSuffix(text, "Z")):
				wrong = append(wrong, place+" is not a time in UTC: "+text)
			case !slices.Contains([]string{"body", "headers", "document", "old", "new"}, name):
				wrong = append(wrong, shapeErrors(x, place)...)
			}
		}
	}
	return wrong
}

// TestJSONOutputOfAllCommandsHasTheSameForm runs every command that shows data in its JSON formats. A list is an array, or one object a
// line. Names are snake_case and times RFC 3339 in UTC. Standard output contains nothing else.
func TestJSONOutputOfAllCommandsHasTheSameForm(t *testing.T) {
	s := inboxtest.Store(t, store.Options{})
	ids := storeMarked(t, s)
	front := httptest.NewServer(operator.RequireToken(operator.Gate{File: "sesame"}, operator.New(operator.Options{Store: s, Control: crmControl{}, Sources: testSources{}, Serving: true})))
	defer front.Close()
	run := func(call []string, format string) string {
		p, out, _ := testProgram("")
		p.Getenv = func(name string) string {
			return map[string]string{"INBOX_URL": front.URL, "INBOX_TOKEN": "sesame"}[name]
		}
		p.run(t.Context(), append(slices.Clone(call), "-o", format))
		return out.String()
	}
	lists := 0
	for _, call := range readCalls(ids) {
		name := strings.Join(call, " ")
		text := run(call, "json")
		var v any
		if strings.HasPrefix(name, "event tail") { // a stream does not end, so its list is not closed
			text = "[" + strings.ReplaceAll(strings.TrimSpace(text), "\n", ",") + "]"
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Errorf("inbox %s -o json is not JSON: %v\n%s", name, err, text)
			continue
		}
		for _, w := range shapeErrors(v, "") {
			t.Errorf("inbox %s: %s", name, w)
		}
		lines := run(call, "jsonl")
		if lines == "" {
			continue // it is not a list, or it is empty
		}
		lists++
		items, isList := v.([]any)
		if n := strings.Count(lines, "\n"); !isList || n != len(items) {
			t.Errorf("inbox %s: %d lines and %d items", name, n, len(items))
		}
		for line := range strings.Lines(lines) {
			if !json.Valid([]byte(line)) || !strings.HasPrefix(line, "{") {
				t.Errorf("inbox %s: a line is not an object: %s", name, line)
			}
		}
		if table := run(call, "table"); strings.Count(table, "\n") < len(items) || !strings.Contains(strings.SplitN(table, "\n", 2)[0], "\t") {
			t.Errorf("inbox %s: a table of %d items is\n%s", name, len(items), table)
		}
	}
	if lists < 8 {
		t.Errorf("only %d lists were checked", lists)
	}
}

// TestCompletionNeverFailsAndReturnsOnlyCompletions draws lines of commands, flags and other words.
func TestCompletionNeverFailsAndReturnsOnlyCompletions(t *testing.T) {
	words := []string{"", "-", "--", "---", "--event", "--plugin", "--nonsense", "-o", "--event=work", "x", "evt_", "pl", "re", "--da", "inbox", "@"}
	var names func(commands []*cli.Command)
	names = func(commands []*cli.Command) {
		for _, c := range commands {
			words = append(words, c.Name)
			names(c.Subcommands)
		}
	}
	names((&program{}).app().Commands)
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.SliceOfN(rapid.SampledFrom(words), 0, 5).Draw(t, "line")
		p, out, errs := testProgram("")
		p.Getenv = func(name string) string { return map[string]string{"INBOX_DATA": "/dev/null/nowhere"}[name] }
		if code := p.run(t.Context(), append([]string{"__complete", "--"}, line...)); code != 0 || errs.Len() > 0 {
			t.Fatalf("%q exits with %d: %s", line, code, errs)
		}
		last := ""
		if len(line) > 0 {
			last = line[len(line)-1]
		}
		for candidate := range strings.Lines(out.String()) {
			if !strings.HasPrefix(candidate, last) || strings.TrimSpace(candidate) == "" {
				t.Fatalf("%q is completed to %q", line, candidate)
			}
		}
	})
}

func TestWithoutIdsOnStandardInputTheOutputIsAnEmptyList(t *testing.T) {
	for _, call := range [][]string{
		{"event", "list", "-"}, {"event", "list", "--outcome", "dead", "-"}, {"dead", "list", "-"}, {"dead", "retry", "-"}, {"dead", "discard", "-", "-y"},
		{"replay", "-"}, {"replay", "--dry-run", "-"},
	} {
		p, out, errs, _, _ := remote(t, 1)
		p.In = strings.NewReader("\n \n")
		if code := p.run(t.Context(), append(call, "-o", "json")); code != 0 || out.String() != "[]\n" || errs.Len() > 0 {
			t.Errorf("inbox %s: %d %q %s", strings.Join(call, " "), code, out, errs)
		}
	}
}

func TestAnUnknownStatusIsReportedWhenNothingMatches(t *testing.T) {
	for words, want := range map[string]string{
		"vreified,Not Verified": `no event matches; "vreified" is neither a verdict nor a known status`, "not-verified": "no event matches\n", "failed": "no event matches\n",
	} {
		p, out, errs, _, _ := remote(t, 1)
		if code := p.run(t.Context(), []string{"event", "list", "--status", words}); code != 0 || !strings.Contains(errs.String(), want) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("--status %s: %d %q %q, want %q", words, code, out, errs, want)
		}
	}
	p, _, errs, _, _ := remote(t, 0)
	if code := p.run(t.Context(), []string{"event", "list"}); code != 0 || errs.Len() > 0 {
		t.Errorf("an empty log: %d %q", code, errs)
	}
}
