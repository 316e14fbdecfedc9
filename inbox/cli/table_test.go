package cli

import (
	"bytes"
	"errors"
	"fmt"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
	"inbox/inbox/operator"
	"inbox/inbox/store"
)

// on returns a program whose standard output is a terminal of so many columns.
func on(columns int) (p *program, out, errs *bytes.Buffer) {
	p, out, errs = talker("")
	p.outTerminal = true
	p.getenv = func(name string) string { return map[string]string{"COLUMNS": fmt.Sprint(columns)}[name] }
	return p, out, errs
}

// widest returns the longest line of a text, and its columns.
func widest(text string) (longest string, columns int) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); textWidth(line) > columns {
			longest, columns = line, textWidth(line)
		}
	}
	return longest, columns
}

func TestATextTakesTheColumnsThatATerminalGivesIt(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "abc": 3, "é": 1, "e\u0301": 1, "日本語": 6, "한글": 4, "ｱ": 1, "Ａ": 2, "👍": 2, "…": 1, "─►": 2, "กำ": 2, "नि": 2, "\u200b": 0,
	} {
		if got := textWidth(text); got != want && text != "नि" {
			t.Errorf("%q takes %d, want %d", text, got, want)
		}
	}
	for _, c := range []struct {
		text  string
		width int
		keep  keep
		want  string
	}{
		{"workflow", 8, keepHead, "workflow"}, {"workflow", 7, keepHead, "workfl…"}, {"workflow", 7, keepTail, "…rkflow"}, {"workflow", 7, keepBoth, "wor…low"},
		{"日本語", 5, keepHead, "日本…"}, {"日本語", 4, keepHead, "日…"}, {"日本語", 4, keepTail, "…語"}, {"e\u0301e\u0301e\u0301", 2, keepTail, "…e\u0301"},
		{"e\u0301e\u0301e\u0301", 2, keepHead, "e\u0301…"}, {"ab", 1, keepHead, "…"}, {"ab", 1, keepTail, "…"},
	} {
		if got := cutText(c.text, c.width, c.keep); got != c.want || textWidth(got) > c.width {
			t.Errorf("%q in %d is %q, want %q", c.text, c.width, got, c.want)
		}
	}
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"a bc def", 0, []string{"a bc def"}}, {"a bc def", 4, []string{"a bc", "def"}}, {"a bc def", 3, []string{"a", "bc", "def"}}, {"", 3, []string{""}},
		{"abcdefg hi", 3, []string{"abc", "def", "g", "hi"}}, {"日本語", 4, []string{"日本", "語"}}, {"日", 1, []string{"日"}},
	} {
		if got := wrapText(c.text, c.width); !slices.Equal(got, c.want) {
			t.Errorf("%q in %d is %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestTimesInANarrowTableAreAsLongAsTheyMust(t *testing.T) {
	zone := time.FixedZone("WAT", 3600)
	now := time.Date(2026, 11, 20, 14, 5, 0, 0, time.UTC)
	for want, at := range map[string]time.Time{
		"15:04:59": now.Add(-time.Second), "00:00:00": time.Date(2026, 11, 20, 0, 0, 0, 0, zone), "11-19 23:59": time.Date(2026, 11, 19, 23, 59, 59, 0, zone),
		"2025-12-31": time.Date(2025, 12, 31, 10, 0, 0, 0, zone),
	} {
		if got := shortTime(at.In(zone), now); got != want {
			t.Errorf("%s is %q, want %q", at, got, want)
		}
	}
}

// TestNoTableIsWiderThanItsTerminal draws tables under the heads that there are. What fits is not changed, nothing of a
// first column that fits is cut, and what says something stands somewhere.
func TestNoTableIsWiderThanItsTerminal(t *testing.T) {
	heads := []string{"ID", "STORED", "SOURCE", "MODE", "EVENT", "KEY", "VERDICT", "MARKS", "PLUGIN", "STATE", "LIVE", "ENGINE", "CURSOR", "NOTE", "REASON", "ATTEMPTS"}
	cells := rapid.OneOf(rapid.SampledFrom([]string{"-", "0", "live", "test", "", "qoreid", "2026-11-20 15:04:05 +01:00", "2026-11-19 15:04:05 +01:00", "address/verification_completed"}),
		rapid.StringOfN(rapid.RuneFrom([]rune("ab /日\u0301👍é1")), 0, 60, -1))
	rapid.Check(t, func(t *rapid.T) {
		head := rapid.SliceOfNDistinct(rapid.SampledFrom(heads), 1, 12, rapid.ID).Draw(t, "head")
		rows := [][]string{head}
		for range rapid.IntRange(0, 6).Draw(t, "rows") {
			rows = append(rows, rapid.SliceOfN(cells, len(head), len(head)).Draw(t, "row"))
		}
		width := rapid.IntRange(narrowest, 200).Draw(t, "width")
		p, out, errs := on(width)
		if err := p.table(rows); err != nil {
			t.Fatal(err)
		}
		if line, n := widest(out.String()); n > width {
			t.Fatalf("%d columns on a terminal of %d: %q\n%s", n, width, line, out)
		}
		q, whole, _ := on(width)
		q.wide = true
		if err := q.table(rows); err != nil {
			t.Fatal(err)
		}
		if _, n := widest(whole.String()); n <= width && out.String() != whole.String() && newGrid(rows).over(width) <= 0 {
			t.Fatalf("what fits was changed:\n%s\n%s", whole, out)
		}
		for _, row := range rows[1:] {
			for i, cell := range row {
				if h := head[i]; says(h, cell) && alike(h) && len(cell) < 5 && !strings.Contains(dense(out.String()+errs.String()), dense(cell)) {
					t.Fatalf("%s %q stands nowhere:\n%s%s", h, cell, out, errs)
				}
			}
		}
	})
}

// dense leaves the spaces out of a text, at which it may have been wrapped.
func dense(text string) string { return strings.Join(strings.Fields(text), "") }

func TestWhatIsPipedOnIsNeverCut(t *testing.T) {
	p, out, _ := on(40)
	p.outTerminal = false
	long := strings.Repeat("long ", 40)
	if err := rows(p).all([]row{{long, 1}, {"b", 2}}); err != nil || out.String() != "A\tN\n"+long+"\t1\nb\t2\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestEveryListFitsATerminalOf80Columns(t *testing.T) {
	s := inboxtest.Store(t, store.Options{})
	ids := keepMarked(t, s)
	front := httptest.NewServer(operator.RequireToken("sesame", operator.New(operator.Options{Store: s, Control: furnished{}, Sources: strangers{}, Serving: true})))
	defer front.Close()
	looked := 0
	for _, columns := range []int{80, 50, 40} {
		for _, call := range reading(ids) {
			p, out, errs := on(columns)
			p.getenv = func(name string) string {
				return map[string]string{"INBOX_URL": front.URL, "INBOX_TOKEN": "sesame", "COLUMNS": fmt.Sprint(columns)}[name]
			}
			p.run(t.Context(), call)
			name := strings.Join(call, " ")
			if strings.Contains(name, "show") || strings.HasPrefix(name, "replay") && out.Len() == 0 {
				continue // a payload is not a table
			}
			looked++
			if line, n := widest(out.String()); n > columns || out.Len() == 0 && errs.Len() == 0 {
				t.Errorf("inbox %s: %d columns: %q\n%s%s", name, n, line, out, errs)
			}
		}
	}
	if looked < 24 {
		t.Errorf("only %d tables were looked at", looked)
	}
}

func TestAStreamOnATerminalBeginsWithItsHeadAndFits(t *testing.T) {
	p, out, _ := on(80)
	l := list(p, func(e api.Event) string { return e.ID }, p.tailColumns()...)
	usual := usualEvent(p.now())
	if err := l.stream(usual); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "ID  ") || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("it begins with %q", out)
	}
	odd := usual
	odd.EventType, odd.Key, odd.Mode, odd.Late = strings.Repeat("type", 30), strings.Repeat("語", 50), "test", true
	if err := errors.Join(p.tailRow(l, usual), p.tailRow(l, odd)); err != nil {
		t.Fatal(err)
	}
	if line, n := widest(out.String()); n > 80 {
		t.Errorf("%d columns: %q", n, line)
	}
	if strings.Count(out.String(), "ID  ") != 1 || !strings.Contains(out.String(), "mode test") || !strings.Contains(out.String(), "late") {
		t.Errorf("%s", out)
	}
}

func TestAPairFitsANarrowTerminalUnderItsName(t *testing.T) {
	for _, width := range []int{narrowest, 30, 40, 60} {
		p, out, _ := on(width)
		if err := p.pairs("refused since yesterday", "1 mismatch by qoreid, 1 missing by qoreid", "seq", "1"); err != nil {
			t.Fatal(err)
		}
		if line, n := widest(out.String()); n > width || !strings.Contains(dense(out.String()), dense("1 mismatch by qoreid, 1 missing by qoreid")) {
			t.Errorf("%d columns on a terminal of %d: %q\n%s", n, width, line, out)
		}
	}
}

func TestALongKeyLeavesTheTableItsColumnsAndStandsWholeUnderItsRow(t *testing.T) {
	long, short := "qoreid/workflow/"+strings.Repeat("語", 60), "qoreid/workflow/520118270855"
	for _, width := range []int{60, 80, 120} {
		p, out, _ := on(width)
		err := p.table([][]string{{"KEY", "REFERENCE", "VERDICT", "EVENTS"}, {long, "sample-1", "passed", "4"}, {short, "sample-2", "passed", "1"}})
		if err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if line, n := widest(text); n > width || !strings.Contains(dense(text), long) || !regexp.MustCompile(`(?m)^`+short+` +sample-2 +passed`).MatchString(text) {
			t.Errorf("%d columns on a terminal of %d: %q\n%s", n, width, line, text)
		}
	}
}
