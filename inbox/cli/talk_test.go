package cli

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
	"testing/synctest"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
)

// talker returns a program on streams of its own.
func talker(input string) (p *program, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	now := time.Date(2026, 11, 20, 14, 5, 0, 0, time.UTC)
	p = &program{
		in: strings.NewReader(input), out: &output{to: out}, err: errs, getenv: func(string) string { return "" }, now: func() time.Time { return now },
		zone: time.FixedZone("WAT", 3600), format: "table", ctx: context.Background(),
	}
	return p, out, errs
}

func TestTimesAreReadAsPeopleWriteThem(t *testing.T) {
	p, _, _ := talker("")
	for text, want := range map[string]string{
		"90s": "2026-11-20T14:03:30Z", "2h": "2026-11-20T12:05:00Z", "3d": "2026-11-17T14:05:00Z", "1w": "2026-11-13T14:05:00Z",
		"today": "2026-11-19T23:00:00Z", "yesterday": "2026-11-18T23:00:00Z", "2026-11-01": "2026-10-31T23:00:00Z",
		"2026-11-01 10:30": "2026-11-01T09:30:00Z", "2026-11-01T10:30:05": "2026-11-01T09:30:05Z", "2026-11-01T10:30:00+03:00": "2026-11-01T07:30:00Z",
		"2026-11-01T10:30:00.5Z": "2026-11-01T10:30:00.5Z",
	} {
		got, err := p.when(text)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q is %v, %v, want %s", text, got.UTC().Format(time.RFC3339Nano), err, want)
		}
	}
	for _, text := range []string{"", "tomorrow", "-2h", "11/01/2026", "3 d", "1y", "9999999d"} {
		if got, err := p.when(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestRatesAreReadPerSecond(t *testing.T) {
	for text, want := range map[string]float64{"": 0, "50": 50, "50/s": 50, "120/m": 2, "1/h": 1.0 / 3600, "0.5": 0.5} {
		if got, err := rate(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"fast", "0", "-1", "1/d", "1e9"} {
		if got, err := rate(text); err == nil {
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
		{fmt.Errorf("x: %w", &exit{code: 5}), 5},
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
	} {
		if got := codeOf(c.err); got != c.want {
			t.Errorf("%v exits with %d, want %d", c.err, got, c.want)
		}
	}
}

func TestAnErrorIsSaidInLinesWithItsHintOrAsJSON(t *testing.T) {
	err := inbox.Errorf(inbox.Invalid, "", "first\nsecond").WithHint("do this")
	p, _, errs := talker("")
	if code := p.report(err); code != 2 || errs.String() != "inbox: first\ninbox: second\ninbox: do this\n" {
		t.Errorf("%d %q", code, errs)
	}
	p, _, errs = talker("")
	p.format = "json"
	if code := p.report(err); code != 2 || errs.String() != `{"error":{"code":"invalid","message":"first\nsecond","hint":"do this"}}`+"\n" {
		t.Errorf("%d %q", code, errs)
	}
	for err, want := range map[error]string{
		some("x"): "incomplete", &exit{code: exitDeclined, err: errEnough}: "declined", fmt.Errorf("x: %w", context.Canceled): "interrupted",
	} {
		errs.Reset()
		if p.report(err); !strings.Contains(errs.String(), `{"error":{"code":"`+want+`"`) {
			t.Errorf("%v: %q", err, errs)
		}
	}
	p, _, errs = talker("")
	if code := p.report(context.Canceled); code != 130 || errs.String() != "inbox: interrupted\n" {
		t.Errorf("%d %q", code, errs)
	}
	if code := p.report(&exit{code: 2}); code != 2 || errs.String() != "inbox: interrupted\n" {
		t.Errorf("what was said already is said again: %q", errs)
	}
}

type row struct {
	A string `json:"a"`
	N int    `json:"n"`
}

func rows(p *program) *lister[row] {
	return list(p, func(r row) string { return r.A },
		column[row]{"A", func(r row) string { return r.A }}, column[row]{"N", func(r row) string { return fmt.Sprint(r.N) }})
}

func TestAListIsWrittenInEachFormat(t *testing.T) {
	items := []row{{"long \x1b[31mname", 1}, {"é", 22}}
	for format, want := range map[string]string{
		"table": "A\tN\nlong  [31mname\t1\né\t22\n",
		"json":  `[{"a":"long \u001b[31mname","n":1},` + "\n" + `{"a":"é","n":22}]` + "\n",
		"jsonl": `{"a":"long \u001b[31mname","n":1}` + "\n" + `{"a":"é","n":22}` + "\n",
		"ids":   "long  [31mname\né\n",
	} {
		p, out, _ := talker("")
		p.format = format
		if err := rows(p).all(items); err != nil || out.String() != want {
			t.Errorf("%s: %q, %v", format, out, err)
		}
		p, out, _ = talker("")
		p.format = format
		empty := map[string]string{"table": "A\tN\n", "json": "[]\n"}[format]
		if err := rows(p).all(nil); err != nil || out.String() != empty {
			t.Errorf("%s, empty: %q, %v", format, out, err)
		}
	}
	p, out, _ := talker("")
	p.outTerminal = true
	if err := rows(p).all(items); err != nil || out.String() != "A               N\nlong  [31mname  1\né               22\n" {
		t.Errorf("on a terminal: %q, %v", out, err)
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestAReaderThatHadEnoughIsNoError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{{syscall.EPIPE, 0}, {io.ErrClosedPipe, 0}, {syscall.ENOSPC, 1}} {
		p, _, _ := talker("")
		p.out = &output{to: broken{c.err}}
		if got := codeOf(p.print("x")); got != c.want {
			t.Errorf("%v exits with %d", c.err, got)
		}
		if got := codeOf(p.document(row{})); got != c.want {
			t.Errorf("%v exits with %d", c.err, got)
		}
	}
}

// asked asks on a terminal with an answer, or says yes beforehand.
func asked(answer string, terminal bool, args ...string) (code int, talk string) {
	p, _, errs := talker(answer)
	p.inTerminal, p.errTerminal = terminal, terminal
	c := p.leaf(spec{name: "do", flags: []cli.Flag{yesFlag()}, run: func(c *cli.Context) error { return p.ask(c, "Do %d things?", 3) }})
	app := cli.NewApp()
	app.Commands, app.ExitErrHandler = []*cli.Command{c}, func(*cli.Context, error) {}
	err := app.Run(append([]string{"inbox", "do"}, args...))
	return codeOf(err), errs.String()
}

func TestNothingIsDoneWithoutAYes(t *testing.T) {
	for _, c := range []struct {
		answer   string
		terminal bool
		args     []string
		want     int
	}{
		{"y\n", true, nil, 0}, {"Yes\n", true, nil, 0}, {"n\n", true, nil, 3}, {"\n", true, nil, 3}, {"", true, nil, 3}, {"y", true, nil, 3},
		{"y\n", false, nil, 3}, {"", false, []string{"-y"}, 0}, {"", false, []string{"--yes"}, 0},
	} {
		if code, _ := asked(c.answer, c.terminal, c.args...); code != c.want {
			t.Errorf("%+v exits with %d", c, code)
		}
	}
	if _, talk := asked("n\n", true); talk != "Do 3 things? [y/N] " {
		t.Errorf("it asked %q", talk)
	}
}

func TestProgressIsDrawnOnATerminalAndALineElsewhere(t *testing.T) {
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
		p, _, errs := talker("")
		now := p.now()
		p.now = func() time.Time { return now }
		p.errTerminal = terminal
		g := p.newProgress()
		for range 61 { // six seconds
			g.show(1, 2, "")
			now = now.Add(100 * time.Millisecond)
		}
		g.end()
		drawn, lines := strings.Count(errs.String(), "\r\x1b[K["), strings.Count(errs.String(), "inbox: [")
		if terminal && (drawn < 20 || lines != 0 || !strings.HasSuffix(errs.String(), "\r\x1b[K")) || !terminal && (drawn != 0 || lines != 2) {
			t.Errorf("terminal %v: drawn %d, lines %d: %q", terminal, drawn, lines, errs)
		}
	}
}

func TestAPauseEndsEarlyWhenTheCommandDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := pause(ctx, time.Millisecond); err != nil {
			t.Error(err)
		}
		if err := pause(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestSizesAndDurationsAreShort(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 5 << 30: "5.0 GiB", 1 << 60: "1048576.0 TiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
	for d, want := range map[time.Duration]string{75 * time.Hour: "3d3h", 90 * time.Second: "1m30s", 1234567: "1ms", 4567: "5µs"} {
		if got := short(d); got != want {
			t.Errorf("%v is %q", d, got)
		}
	}
}

func TestALogIsTextOnATerminalAndJSONElsewhere(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		args     []string
		isJSON   bool
	}{{false, nil, true}, {true, nil, false}, {true, []string{"json"}, true}, {false, []string{"text"}, false}} {
		p, _, errs := talker("")
		p.errTerminal = c.terminal
		s, err := p.settingsFor(t, c.args...)
		if err != nil {
			t.Fatal(err)
		}
		p.logger(s, false).Info("hello")
		if json.Valid(errs.Bytes()) != c.isJSON || !strings.Contains(errs.String(), "hello") {
			t.Errorf("%+v: %q", c, errs)
		}
		errs.Reset()
		p.logger(s, false).Info("hello", "duration", 1500*time.Microsecond)
		if want := map[bool]string{true: `"duration_ms":1.5}`, false: "1.5ms"}[c.isJSON]; !strings.Contains(errs.String(), want) {
			t.Errorf("%+v: %q has no %s", c, errs, want)
		}
		errs.Reset()
		if p.logger(s, true).Warn("hello"); errs.Len() != 0 {
			t.Errorf("the demo logs %q", errs)
		}
		if p.logger(s, true).Error("hello"); errs.Len() == 0 || json.Valid(errs.Bytes()) {
			t.Errorf("the demo, which talks to people, logs %q", errs)
		}
	}
}
