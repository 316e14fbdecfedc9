package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"inbox/inbox"
)

// testConsole returns a console whose streams are buffers.
func testConsole(input string) (c *Console, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	now := time.Date(2026, 11, 20, 14, 5, 0, 0, time.UTC)
	c = &Console{
		Streams: Streams{In: strings.NewReader(input), Out: &Output{To: out}, Err: errs}, Style: Style{Format: "table"},
		Getenv: func(string) string { return "" }, Now: func() time.Time { return now }, Zone: time.FixedZone("WAT", 3600),
	}
	return c, out, errs
}

func TestTimesAreParsedInEveryForm(t *testing.T) {
	c, _, _ := testConsole("")
	for text, want := range map[string]string{
		"90s": "2026-11-20T14:03:30Z", "2h": "2026-11-20T12:05:00Z", "3d": "2026-11-17T14:05:00Z", "1w": "2026-11-13T14:05:00Z",
		"today": "2026-11-19T23:00:00Z", "yesterday": "2026-11-18T23:00:00Z", "2026-11-01": "2026-10-31T23:00:00Z",
		"2026-11-01 10:30": "2026-11-01T09:30:00Z", "2026-11-01T10:30:05": "2026-11-01T09:30:05Z", "2026-11-01T10:30:00+03:00": "2026-11-01T07:30:00Z",
		"2026-11-01T10:30:00.5Z": "2026-11-01T10:30:00.5Z",
	} {
		got, err := c.When(text)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q is %v, %v, want %s", text, got.UTC().Format(time.RFC3339Nano), err, want)
		}
	}
	for _, text := range []string{"", "tomorrow", "-2h", "11/01/2026", "3 d", "1y", "9999999d"} {
		if got, err := c.When(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestEveryKindOfErrorHasItsExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{fmt.Errorf("x: %w", context.Canceled), 130},
		{fmt.Errorf("x: %w", &ExitError{Code: 5}), 5},
		{inbox.Errorf(inbox.Internal, "", "x"), 1},
		{inbox.Errorf(inbox.Invalid, "", "x"), 2},
		{inbox.Errorf(inbox.Unauthorized, "", "x"), 4},
		{inbox.Errorf(inbox.Forbidden, "", "x"), 4},
		{inbox.Errorf(inbox.NotFound, "", "x"), 6},
		{inbox.Errorf(inbox.Conflict, "", "x"), 1},
		{fmt.Errorf("open: %w", inbox.Errorf(inbox.Unavailable, "", "x")), 7},
		{inbox.Errorf(inbox.Unavailable, "", "x"), 7},
		{inbox.Errorf(inbox.Unavailable, "open", "%w", &fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}), 4},
		{inbox.Errorf(inbox.TooLarge, "", "x"), 1},
		{inbox.Errorf(inbox.TooMany, "", "x"), 7},
	} {
		if got := CodeOf(c.err); got != c.want {
			t.Errorf("%v exits with %d, want %d", c.err, got, c.want)
		}
	}
}

func TestAnErrorIsWrittenInLinesWithItsHintOrAsJSON(t *testing.T) {
	err := inbox.Errorf(inbox.Invalid, "", "first\nsecond").WithHint("do this")
	c, _, errs := testConsole("")
	if code := c.Report(err); code != 2 || errs.String() != "inbox: first\ninbox: second\ninbox: do this\n" {
		t.Errorf("%d %q", code, errs)
	}
	c, _, errs = testConsole("")
	c.Format = "json"
	if code := c.Report(err); code != 2 || errs.String() != `{"error":{"code":"invalid","message":"first\nsecond","hint":"do this"}}`+"\n" {
		t.Errorf("%d %q", code, errs)
	}
	for err, want := range map[error]string{
		Incomplete("x"): "incomplete", &ExitError{Code: ExitDeclined, Err: errors.New("declined")}: "declined", fmt.Errorf("x: %w", context.Canceled): "interrupted",
	} {
		errs.Reset()
		if c.Report(err); !strings.Contains(errs.String(), `{"error":{"code":"`+want+`"`) {
			t.Errorf("%v: %q", err, errs)
		}
	}
	c, _, errs = testConsole("")
	if code := c.Report(context.Canceled); code != 130 || errs.String() != "inbox: interrupted\n" {
		t.Errorf("%d %q", code, errs)
	}
	if code := c.Report(&ExitError{Code: 2}); code != 2 || errs.String() != "inbox: interrupted\n" {
		t.Errorf("an error whose messages are already written is written again: %q", errs)
	}
}

type row struct {
	A string `json:"a"`
	N int    `json:"n"`
}

func rows(c *Console) *List[row] {
	return NewList(c, func(r row) string { return r.A },
		Col("A", func(r row) string { return r.A }), Col("N", func(r row) string { return fmt.Sprint(r.N) }))
}

func TestAListIsWrittenInEachFormat(t *testing.T) {
	items := []row{{"long \x1b[31mname", 1}, {"é", 22}}
	for format, want := range map[string]string{
		"table": "A\tN\nlong  [31mname\t1\né\t22\n",
		"json":  `[{"a":"long \u001b[31mname","n":1},` + "\n" + `{"a":"é","n":22}]` + "\n",
		"jsonl": `{"a":"long \u001b[31mname","n":1}` + "\n" + `{"a":"é","n":22}` + "\n",
		"ids":   "long  [31mname\né\n",
	} {
		c, out, _ := testConsole("")
		c.Format = format
		if err := rows(c).All(items); err != nil || out.String() != want {
			t.Errorf("%s: %q, %v", format, out, err)
		}
		c, out, _ = testConsole("")
		c.Format = format
		empty := map[string]string{"table": "A\tN\n", "json": "[]\n"}[format]
		if err := rows(c).All(nil); err != nil || out.String() != empty {
			t.Errorf("%s, empty: %q, %v", format, out, err)
		}
	}
	c, out, _ := testConsole("")
	c.OutTerminal = true
	if err := rows(c).All(items); err != nil || out.String() != "A               N\nlong  [31mname  1\né               22\n" {
		t.Errorf("on a terminal: %q, %v", out, err)
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestAClosedPipeIsNotAnError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{{syscall.EPIPE, 0}, {io.ErrClosedPipe, 0}, {syscall.ENOSPC, 1}} {
		console, _, _ := testConsole("")
		console.Out = &Output{To: broken{c.err}}
		if got := CodeOf(console.Print("x")); got != c.want {
			t.Errorf("%v exits with %d", c.err, got)
		}
		if got := CodeOf(console.Document(row{})); got != c.want {
			t.Errorf("%v exits with %d", c.err, got)
		}
	}
}

// ask asks a question and returns the exit code and standard error. yes is that of [Console.Ask].
func ask(answer string, terminal, yes bool) (code int, messages string) {
	c, _, errs := testConsole(answer)
	c.InTerminal, c.ErrTerminal = terminal, terminal
	err := c.Ask(yes, "Do %d things?", 3)
	return CodeOf(err), errs.String()
}

func TestOnlyYesConfirmsAQuestion(t *testing.T) {
	for _, c := range []struct {
		answer   string
		terminal bool
		yes      bool
		want     int
	}{
		{"y\n", true, false, 0}, {"Yes\n", true, false, 0}, {"n\n", true, false, 3}, {"\n", true, false, 3}, {"", true, false, 3}, {"y", true, false, 3},
		{"y\n", false, false, 3}, {"", false, true, 0},
	} {
		if code, _ := ask(c.answer, c.terminal, c.yes); code != c.want {
			t.Errorf("%+v exits with %d", c, code)
		}
	}
	if _, messages := ask("n\n", true, false); messages != "Do 3 things? [y/N] " {
		t.Errorf("the question is %q", messages)
	}
}

func TestProgressIsRedrawnOnATerminalAndWrittenInLinesElsewhere(t *testing.T) {
	if got := progressText(50, 200, 10*time.Second, "1 failed"); got != "[######..................] 50/200 · 5/s · eta 30s · 1 failed" {
		t.Errorf("%q", got)
	}
	if got := shareText(50, 200, 10*time.Second, "one key"); got != "[######..................] 25 % · eta 30s · one key" {
		t.Errorf("%q", got)
	}
	if got := shareText(0, 0, 0, ""); got != "[........................] 0 %" {
		t.Errorf("%q", got)
	}
	if got := progressText(0, 0, 0, ""); got != "[........................] 0/0" {
		t.Errorf("%q", got)
	}
	for _, terminal := range []bool{false, true} {
		c, _, errs := testConsole("")
		now := c.Now()
		c.Now = func() time.Time { return now }
		c.ErrTerminal = terminal
		g := c.NewProgress()
		for range 61 { // six seconds
			g.Show(1, 2, "")
			now = now.Add(100 * time.Millisecond)
		}
		g.End()
		drawn, lines := strings.Count(errs.String(), "\r\x1b[K["), strings.Count(errs.String(), "inbox: [")
		if terminal && (drawn < 20 || lines != 0 || !strings.HasSuffix(errs.String(), "\r\x1b[K")) || !terminal && (drawn != 0 || lines != 2) {
			t.Errorf("terminal %v: drawn %d times, %d lines: %q", terminal, drawn, lines, errs)
		}
	}
}

func TestSizesAndDurationsAreFormattedShort(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 5 << 30: "5.0 GiB", 1 << 60: "1048576.0 TiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
	for d, want := range map[time.Duration]string{75 * time.Hour: "3d3h", 90 * time.Second: "1m30s", 1234567: "1ms", 4567: "5µs"} {
		if got := Duration(d); got != want {
			t.Errorf("%v is %q", d, got)
		}
	}
}

type fault struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// TestAFailedItemIsInTheJSONList checks lists with a failed item. A program that reads the JSON finds the item and its error in it.
func TestAFailedItemIsInTheJSONList(t *testing.T) {
	for _, format := range []string{"json", "jsonl"} {
		c, out, errs := testConsole("")
		c.Format = format
		l := rows(c)
		if err := errors.Join(l.Add(row{"a", 1}), l.Fail(fault{"b", "not found"}, "b: not found"), l.End()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), `{"name":"b","error":"not found"}`) || errs.Len() > 0 || format == "json" && !json.Valid(out.Bytes()) {
			t.Errorf("%s: %s%s", format, out, errs)
		}
	}
	c, out, errs := testConsole("")
	l := rows(c)
	if err := errors.Join(l.Fail(fault{}, "b: not found"), l.End()); err != nil || !strings.Contains(errs.String(), "b: not found") {
		t.Errorf("as a table: %v %s%s", err, out, errs)
	}
}
