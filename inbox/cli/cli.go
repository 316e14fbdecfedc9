// Package cli is the command line: one file per command, all of them clients of the operator's API but for those that
// need no store. It reaches the API of a server elsewhere by --url, of the server on the data directory by its socket,
// or, when none runs, by a handler over the store in this process.
//
// Standard output is data, standard error is talk. Talk begins with "inbox:", in lower case, without a full stop, and
// an error is followed by what to do next. What each exit code means stands in exit.go.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"inbox/inbox"
	"inbox/inbox/config"
)

// Main runs the program with the arguments, streams and environment of the process, and returns its exit code.
func Main() int {
	p := &program{
		in: os.Stdin, out: &output{to: os.Stdout}, err: os.Stderr, getenv: os.Getenv, now: time.Now, zone: time.Local, zoneNote: zoneProblem(os.Getenv("TZ")),
		inTerminal: isTerminal(os.Stdin), outTerminal: isTerminal(os.Stdout), errTerminal: isTerminal(os.Stderr),
	}
	return p.run(context.Background(), os.Args[1:])
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// program is one run of the command line: the streams it talks on, and what its flags said.
type program struct {
	in       io.Reader
	out      *output
	err      io.Writer
	logs     *logWriter // of a server; what err is then
	getenv   func(string) string
	now      func() time.Time
	zone     *time.Location
	zoneNote string // what is wrong with TZ, until it was said

	inTerminal, outTerminal, errTerminal bool

	format  string // of the output: table, json, jsonl or ids
	wide    bool   // tables on a terminal are not made to fit it
	whole   bool   // the output has been written to its end
	quiet   bool
	verbose bool
	closers []func() error
	ctx     context.Context // for the command that runs; ends at the first interrupt
}

// run runs a command line and returns its exit code.
func (p *program) run(ctx context.Context, args []string) int {
	p.format = formatOf(args)
	err := p.execute(ctx, args)
	if cerr := p.close(); err == nil {
		err = cerr
	}
	if err == nil && p.out.err != nil {
		err = outputGone(p.out.err)
	}
	code := p.report(err)
	if p.logs != nil {
		p.logs.close()
	}
	return code
}

// close closes what the command opened.
func (p *program) close() error {
	var err error
	for _, c := range slices.Backward(p.closers) {
		err = errors.Join(err, c())
	}
	p.closers = nil
	return err
}

func (p *program) execute(ctx context.Context, args []string) error {
	app := p.app()
	args, err := normalise(app.Commands, args)
	if err != nil {
		return err
	}
	if !serves(args) { // serve waits for its own signals; whoever has a server of its own, such as torture, must end it
		var stop func()
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
	}
	p.ctx = ctx
	if asksHelp(args) {
		args = onlyHelp(app.Commands, args)
		p.wrapsHelp(app)
	}
	return app.RunContext(ctx, append([]string{"inbox"}, args...))
}

func serves(args []string) bool {
	return len(args) > 0 && (args[0] == "serve" || args[0] == "__tortured")
}

// app builds the tree of commands.
func (p *program) app() *cli.App {
	app := cli.NewApp()
	app.Name, app.Usage = "inbox", "receives every QoreID webhook, stores it, and delivers it to plugins"
	app.HideVersion, app.HideHelpCommand = true, true
	app.Writer, app.ErrWriter = p.out, p.err
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.OnUsageError = usageError
	app.DisableSliceFlagSeparator = true // a comma may stand in a value; words takes names apart where it does not
	app.Action = p.group
	app.Flags = []cli.Flag{cli.HelpFlag}
	app.UsageText = "inbox COMMAND [flags] [arguments]"
	app.Description = "Exit codes: 0 done, 1 failed, 2 the command line or the settings are wrong, 3 declined or nobody to ask, 4 not allowed,\n" +
		"5 done but some items failed, or a check found something, 6 not found, 7 unreachable or locked, 130 interrupted."
	app.Commands = []*cli.Command{
		p.serveCommand(), p.sendCommand(), p.eventCommand(), p.entityCommand(), p.deadCommand(), p.replayCommand(),
		p.pluginCommand(), p.statusCommand(), p.doctorCommand(), p.secretCommand(), p.dbCommand(), p.configCommand(),
		p.auditCommand(), p.benchCommand(), p.tortureCommand(), p.completionCommand(), p.versionCommand(), p.helpCommand(),
		p.completeCommand(), p.torturedCommand(),
	}
	app.Commands = append(app.Commands, later(map[string]string{
		"state": "plugins keep no state in this version",
	})...)
	return app
}

// group is the action of a command that only has commands in it.
func (p *program) group(c *cli.Context) error {
	prefix := strings.TrimSpace(strings.TrimPrefix(c.Command.FullName(), "inbox"))
	commands := c.App.Commands
	if prefix != "" {
		commands = c.Command.Subcommands
	}
	if c.Args().Present() {
		return unknownCommand(prefix, c.Args().First(), commands)
	}
	p.wrapsHelp(c.App)
	c.App.Writer = p.err
	if prefix == "" {
		_ = cli.ShowAppHelp(c)
	} else {
		_ = cli.ShowSubcommandHelp(c)
	}
	return &exit{code: exitUsage}
}

func unknownCommand(prefix, name string, commands []*cli.Command) error {
	full := strings.TrimSpace("inbox " + prefix)
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Names()...)
		}
	}
	e := usage("there is no command %s %s", full, name)
	if near := inbox.Nearest(name, names); near != "" {
		return e.WithHint("did you mean " + full + " " + near + "?")
	}
	return e.WithHint(full + " --help lists the commands")
}

// usage is a mistake on the command line.
func usage(format string, args ...any) *inbox.Error {
	return inbox.Errorf(inbox.Invalid, "", format, args...)
}

// usageError turns what the flag reader says into one line and a hint.
func usageError(c *cli.Context, err error, _ bool) error {
	full := c.App.Name
	if c.Command.HelpName != "" {
		full = c.Command.HelpName
	}
	text := err.Error()
	name, unknown := strings.CutPrefix(text, "flag provided but not defined: -")
	if !unknown {
		return usage("%s: %s", full, text).WithHint(full + " --help shows its flags")
	}
	name = strings.TrimPrefix(name, "-")
	e := usage("%s has no flag %s", full, dashed(name))
	if full == "inbox" {
		return e.WithHint("flags come after the command, as in inbox status " + dashed(name))
	}
	var known []string
	for _, f := range c.Command.Flags {
		known = append(known, f.Names()...)
	}
	if near := inbox.Nearest(name, known); near != "" {
		return e.WithHint("did you mean " + dashed(near) + "?")
	}
	return e.WithHint(full + " --help shows its flags")
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// settings reads the settings of a command whose --data is the data directory.
func (p *program) settings(c *cli.Context) (*config.Settings, error) {
	flags := map[string]string{}
	if c.IsSet("data") {
		flags["data"] = c.String("data")
	}
	return p.load(c, flags)
}

// load reads the settings, with these flags.
func (p *program) load(c *cli.Context, flags map[string]string) (*config.Settings, error) {
	s, err := config.Load(config.Inputs{File: c.String("config"), Flags: flags, Getenv: p.getenv})
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return s, nil
}

// inJSON reports whether the output is JSON. Then standard error has nothing but an error, as one JSON object, so that a
// reader of both streams at once can parse what it gets.
func (p *program) inJSON() bool { return p.format == "json" || p.format == "jsonl" }

// say talks to the person at the terminal, unless asked to be quiet or for JSON.
func (p *program) say(format string, args ...any) {
	if !p.quiet && !p.inJSON() {
		p.talk(format, args...)
	}
}

// talk is say without the conditions.
func (p *program) talk(format string, args ...any) {
	fmt.Fprintf(p.err, "inbox: %s\n", inbox.PrintableText(fmt.Sprintf(format, args...)))
}

// print writes data, made safe for terminals whatever it came from: JSON is escaped before, so that its values stay exact.
// What cannot be written ends the command.
func (p *program) print(format string, args ...any) error {
	if _, err := io.WriteString(p.out, inbox.PrintableText(fmt.Sprintf(format, args...))); err != nil {
		return outputGone(err)
	}
	return nil
}

// output is standard output. It keeps the first error of it, so that what is written by a library that does not look
// at errors, as help is, still fails the command.
type output struct {
	to  io.Writer
	err error
}

// Write writes to standard output.
func (o *output) Write(text []byte) (int, error) {
	n, err := o.to.Write(text)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// outputGone is what becomes of an error of standard output. That its reader had enough is none.
func outputGone(err error) error {
	if errors.Is(err, io.ErrClosedPipe) || isBrokenPipe(err) {
		return &exit{code: exitDone}
	}
	return &exit{code: exitFailed, err: inbox.Errorf(inbox.Unavailable, "write the output", "%w", err).WithHint("what was written is not whole")}
}
