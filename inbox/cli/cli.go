// Package cli is the command line, with one file per command. Commands that need the store are clients of the operator's API. They call
// a remote server by --url, else the server on the data directory by its socket. When no server runs, they call a handler over the
// store in this process.
//
// Package console writes the output and the messages of commands, and has the exit codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/cli/console"
	"inbox/inbox/config"
)

// Main runs the program with the arguments, streams and environment of the process, and returns its exit code.
func Main() int {
	p := &program{Console: console.Process()}
	return p.run(context.Background(), os.Args[1:])
}

// program is one run of the command line: its console, its context, and the stores that it opened. It has over 100
// methods, because the actions of all commands need all three. Each method is in the file of its command.
type program struct {
	console.Console
	logs    *console.LogWriter // the log of a server, which also replaces Err; nil for other commands
	verbose bool
	closers []func() error  // of the opened stores
	ctx     context.Context // context of the command; done at the first interrupt
}

// run runs a command line and returns its exit code.
func (p *program) run(ctx context.Context, args []string) int {
	p.Format = formatOf(args)
	err := p.execute(ctx, args)
	if cerr := p.close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = p.OutputErr()
	}
	code := p.Report(err)
	if p.logs != nil {
		p.logs.Close()
	}
	return code
}

// close closes the stores that the command opened.
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
	if !startsServer(args) { // serve handles signals itself; commands that start a server, such as torture, stop it when ctx is done
		var stop func()
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
	}
	p.ctx = ctx
	if asksHelp(args) {
		args = reduceToHelp(app.Commands, args)
		p.wrapHelp(app)
	}
	return app.RunContext(ctx, append([]string{"inbox"}, args...))
}

func startsServer(args []string) bool {
	return len(args) > 0 && (args[0] == "serve" || args[0] == "__tortured")
}

// app returns the tree of commands.
func (p *program) app() *cli.App {
	app := cli.NewApp()
	app.Name, app.Usage = "inbox", "receives every QoreID webhook, stores it, and delivers it to plugins"
	app.HideVersion, app.HideHelpCommand = true, true
	app.Writer, app.ErrWriter = p.Out, p.Err
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.OnUsageError = usageError
	app.DisableSliceFlagSeparator = true // values may contain commas; listValues splits lists of names
	app.Action = p.group
	app.Flags = []cli.Flag{cli.HelpFlag}
	app.UsageText = "inbox COMMAND [flags] [arguments]"
	app.Description = "Exit codes: 0 done, 1 failed, 2 the command line or the settings are wrong, 3 declined or no terminal to ask on, 4 not allowed,\n" +
		"5 done but some items failed, or a check found a problem, 6 not found, 7 unreachable or locked, 130 interrupted."
	app.Commands = []*cli.Command{
		p.serveCommand(), p.sendCommand(), p.eventCommand(), p.entityCommand(), p.deadCommand(), p.effectCommand(), p.replayCommand(), p.stateCommand(),
		p.pluginCommand(), p.statusCommand(), p.doctorCommand(), p.secretCommand(), p.dbCommand(), p.configCommand(),
		p.auditCommand(), p.tokenCommand(), p.benchCommand(), p.tortureCommand(), p.completionCommand(), p.versionCommand(), p.helpCommand(),
		p.completeCommand(), p.torturedCommand(),
	}
	return app
}

// group is the action of a command that only groups other commands.
func (p *program) group(c *cli.Context) error {
	prefix := strings.TrimSpace(strings.TrimPrefix(c.Command.FullName(), "inbox"))
	commands := c.App.Commands
	if prefix != "" {
		commands = c.Command.Subcommands
	}
	if c.Args().Present() {
		return unknownCommand(prefix, c.Args().First(), commands)
	}
	p.wrapHelp(c.App)
	c.App.Writer = p.Err
	if prefix == "" {
		_ = cli.ShowAppHelp(c)
	} else {
		_ = cli.ShowSubcommandHelp(c)
	}
	return &console.ExitError{Code: console.ExitUsage}
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

// usage returns the error for a mistake on the command line.
func usage(format string, args ...any) *inbox.Error {
	return inbox.Errorf(inbox.Invalid, "", format, args...)
}

// usageError converts an error of the flag parser to one line and a hint.
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

// settings loads the settings of a command with --config and --data.
func (p *program) settings(c *cli.Context) (*config.Settings, error) {
	flags := map[string]string{}
	if c.IsSet("data") {
		flags["data"] = c.String("data")
	}
	return p.load(c, flags)
}

// load loads the settings with the values of flags.
func (p *program) load(c *cli.Context, flags map[string]string) (*config.Settings, error) {
	s, err := config.Load(config.Inputs{File: c.String("config"), Flags: flags, Getenv: p.Getenv})
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return s, nil
}
