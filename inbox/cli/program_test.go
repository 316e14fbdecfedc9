package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

func TestRatesAreParsedAsRunsPerSecond(t *testing.T) {
	for text, want := range map[string]float64{"": 0, "50": 50, "50/s": 50, "120/m": 2, "1/h": 1.0 / 3600, "0.5": 0.5} {
		if got, err := parseRate(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"fast", "0", "-1", "1/d", "1e9"} {
		if got, err := parseRate(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// asked runs a command that asks a question, without a terminal, and returns the exit code.
func asked(args ...string) (code int) {
	p, _, _ := testProgram("")
	c := p.leaf(spec{name: "do", flags: []cli.Flag{yesFlag()}, run: func(c *cli.Context) error { return p.Ask(c.Bool("yes"), "Do %d things?", 3) }})
	app := cli.NewApp()
	app.Commands, app.ExitErrHandler = []*cli.Command{c}, func(*cli.Context, error) {}
	return console.CodeOf(app.Run(append([]string{"inbox", "do"}, args...)))
}

func TestTheFlagYesConfirmsAQuestion(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{{nil, 3}, {[]string{"-y"}, 0}, {[]string{"--yes"}, 0}} {
		if code := asked(c.args...); code != c.want {
			t.Errorf("%q exits with %d, want %d", c.args, code, c.want)
		}
	}
}

func TestErrorsInJSONHaveTheFormOfTheAPI(t *testing.T) {
	p, _, errs := testProgram("")
	p.Format = "json"
	p.Report(inbox.Errorf(inbox.NotFound, "", "no event").WithHint("look elsewhere"))
	want, err := json.Marshal(api.Problem{Error: api.ProblemBody{Code: inbox.NotFound, Message: "no event", Hint: "look elsewhere"}})
	if err != nil || errs.String() != string(want)+"\n" {
		t.Errorf("%s, want %s, %v", errs, want, err)
	}
}

func TestACommandWithoutTimesDoesNotWarnAboutTheZone(t *testing.T) {
	p, _, errs := testProgram("")
	p.ZoneNote = console.ZoneProblem("Mars/Olympus")
	if code := p.run(t.Context(), []string{"version"}); code != 0 || errs.Len() > 0 {
		t.Errorf("%d, %s", code, errs)
	}
}

func TestAnInterruptEndsAPauseEarly(t *testing.T) {
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

func TestALogIsTextOnATerminalAndJSONElsewhere(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		args     []string
		isJSON   bool
	}{{false, nil, true}, {true, nil, false}, {true, []string{"json"}, true}, {false, []string{"text"}, false}} {
		p, _, errs := testProgram("")
		p.ErrTerminal = c.terminal
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
			t.Errorf("the demo logs %q, not text", errs)
		}
	}
}
