package console

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// testTerminal returns a console whose standard output is a terminal with a number of columns.
func testTerminal(columns int) (c *Console, out, errs *bytes.Buffer) {
	c, out, errs = testConsole("")
	c.OutTerminal = true
	c.Getenv = func(name string) string { return map[string]string{"COLUMNS": fmt.Sprint(columns)}[name] }
	return c, out, errs
}

// widest returns the widest line of a text, and its columns.
func widest(text string) (longest string, columns int) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); TextWidth(line) > columns {
			longest, columns = line, TextWidth(line)
		}
	}
	return longest, columns
}

func TestTextIsMeasuredCutAndWrappedByTerminalColumns(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "abc": 3, "é": 1, "e\u0301": 1, "日本語": 6, "한글": 4, "ｱ": 1, "Ａ": 2, "👍": 2, "…": 1, "─►": 2, "กำ": 2, "नि": 2, "\u200b": 0,
	} {
		if got := TextWidth(text); got != want && text != "नि" {
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
		if got := cutText(c.text, c.width, c.keep); got != c.want || TextWidth(got) > c.width {
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
		if got := Wrap(c.text, c.width); !slices.Equal(got, c.want) {
			t.Errorf("%q in %d is %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestTimesInANarrowTableShowOnlyThePartsThatDifferFromNow(t *testing.T) {
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

// TestNoTableIsWiderThanItsTerminal draws tables with the real heads. A table that fits is not changed, and an informative cell is
// shown somewhere.
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
		width := rapid.IntRange(Narrowest, 200).Draw(t, "width")
		c, out, errs := testTerminal(width)
		if err := c.Table(rows); err != nil {
			t.Fatal(err)
		}
		if line, n := widest(out.String()); n > width {
			t.Fatalf("%d columns on a terminal of %d: %q\n%s", n, width, line, out)
		}
		wide, whole, _ := testTerminal(width)
		wide.Wide = true
		if err := wide.Table(rows); err != nil {
			t.Fatal(err)
		}
		if _, n := widest(whole.String()); n <= width && out.String() != whole.String() && newGrid(rows).excess(width) <= 0 {
			t.Fatalf("a table that fits was changed:\n%s\n%s", whole, out)
		}
		for _, row := range rows[1:] {
			for i, cell := range row {
				if h := head[i]; informative(h, cell) && droppable(h) && len(cell) < 5 && !strings.Contains(dense(out.String()+errs.String()), dense(cell)) {
					t.Fatalf("%s %q is not shown:\n%s%s", h, cell, out, errs)
				}
			}
		}
	})
}

// dense removes the spaces and line breaks of a text, which depend on the wrapping.
func dense(text string) string { return strings.Join(strings.Fields(text), "") }

func TestATableIsNotCutWithoutATerminal(t *testing.T) {
	c, out, _ := testTerminal(40)
	c.OutTerminal = false
	long := strings.Repeat("long ", 40)
	if err := rows(c).All([]row{{long, 1}, {"b", 2}}); err != nil || out.String() != "A\tN\n"+long+"\t1\nb\t2\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestALongValueIsWrappedBelowItsNameOnANarrowTerminal(t *testing.T) {
	for _, width := range []int{Narrowest, 30, 40, 60} {
		c, out, _ := testTerminal(width)
		if err := c.Pairs("refused since yesterday", "1 mismatch by qoreid, 1 missing by qoreid", "seq", "1"); err != nil {
			t.Fatal(err)
		}
		if line, n := widest(out.String()); n > width || !strings.Contains(dense(out.String()), dense("1 mismatch by qoreid, 1 missing by qoreid")) {
			t.Errorf("%d columns on a terminal of %d: %q\n%s", n, width, line, out)
		}
	}
}

func TestALongKeyIsCutInTheTableAndRepeatedWholeBelowItsRow(t *testing.T) {
	long, short := "qoreid/workflow/"+strings.Repeat("語", 60), "qoreid/workflow/520118270855"
	for _, width := range []int{60, 80, 120} {
		c, out, _ := testTerminal(width)
		err := c.Table([][]string{{"KEY", "REFERENCE", "VERDICT", "EVENTS"}, {long, "sample-1", "passed", "4"}, {short, "sample-2", "passed", "1"}})
		if err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if line, n := widest(text); n > width || !strings.Contains(dense(text), long) || !regexp.MustCompile(`(?m)^`+short+` +sample-2 +passed`).MatchString(text) {
			t.Errorf("%d columns on a terminal of %d: %q\n%s", n, width, line, text)
		}
	}
}
