package cli

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/lmittmann/tint"
	"github.com/urfave/cli/v2"

	"inbox/inbox/cli/console"
	"inbox/inbox/config"
	"inbox/inbox/serve"
)

func (p *program) serveCommand() *cli.Command {
	var flags []cli.Flag
	for _, setting := range config.All() {
		usage := strings.ReplaceAll(setting.Usage, "`", "'") + " (" + setting.Env // the library takes a word in backticks for the name of the value
		if setting.Default != "" {
			usage += "; default " + setting.Default
		}
		flags = append(flags, &cli.StringFlag{Name: setting.Flag, Usage: usage + ")"})
	}
	flags = append(flags,
		flag("demo", "run a demonstration: a temporary store, a plugin, sample events, and a receiver of its request"),
		flag("paused", "start no attempts until 'inbox plugin resume --all'"),
		flag("no-secret", "start without webhook secrets: answer probes and quarantine all other requests"),
		flag("dev", "for authors of plugins: log as text, with debug messages and each attempt's log and reason, which may contain personal data"),
	)
	return p.leaf(spec{
		name: "serve", usage: "receive webhooks, store them, and deliver them to plugins", flags: flags, run: p.serve,
		about: "The first interrupt or SIGTERM stops the server cleanly: running attempts may end, waiting events are kept. The second stops it at once.",
	})
}

// serve runs a server. It ignores SIGPIPE, so that a closed pipe does not end the server.
func (p *program) serve(c *cli.Context) error {
	signal.Ignore(syscall.SIGPIPE)
	return p.serveWith(c, serve.Hooks{})
}

func (p *program) serveWith(c *cli.Context, hooks serve.Hooks) error {
	flags := map[string]string{}
	for _, setting := range config.All() {
		if c.IsSet(setting.Flag) {
			flags[setting.Flag] = c.String(setting.Flag)
		}
	}
	s, err := p.load(c, flags)
	if err != nil {
		return err
	}
	if c.Bool("dev") {
		s.LogFormat, s.LogLevel = "text", slog.LevelDebug
	}
	log := p.serverLog(s, c.Bool("demo"))
	for _, n := range append(slices.Clone(s.Notes), s.SecretNotes()...) {
		log.Warn(n)
	}
	if p.ZoneNote != "" {
		log.Warn(p.ZoneNote)
	}
	ctx, stop := untilSignal(p.ctx, func() { os.Exit(console.ExitInterrupted) })
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer onHangup(p.hangupAction(log, cancel))()
	var demo *serve.Demo
	if c.Bool("demo") {
		demo = &serve.Demo{Output: p.Out.To, Command: commandName(os.Args[0])}
	}
	return serve.Run(ctx, s, serve.Options{
		Demo: demo, NoSecret: c.Bool("no-secret"), Paused: c.Bool("paused"), Dev: c.Bool("dev"), Log: log, Version: version(),
		LimitHeap: p.limitHeap, Hooks: hooks,
	})
}

// limitHeap sets Go's memory limit, so that garbage does not double the heap. A limit in GOMEMLIMIT takes precedence.
func (p *program) limitHeap(bytes int64) {
	if p.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}

// commandName returns the command that calls this program again. A binary built by `go run` is deleted afterwards and cannot be called
// again.
func commandName(name string) string {
	if strings.Contains(filepath.ToSlash(name), "/go-build") {
		return "go run ."
	}
	return name
}

// untilSignal returns a context that is done at the first interrupt or SIGTERM. The second calls now. The returned function ends both.
func untilSignal(ctx context.Context, now func()) (context.Context, func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		for _, then := range []func(){cancel, now} {
			select {
			case <-signals:
				then()
			case <-ended:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(ended)
		cancel()
	}
}

// onHangup calls action at every SIGHUP until end is called. If SIGHUP is ignored, as under nohup, it stays ignored.
func onHangup(action func()) (end func()) {
	if signal.Ignored(syscall.SIGHUP) {
		return func() {}
	}
	signals, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-signals:
				action()
			case <-ended:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(ended)
	}
}

// hangupAction returns the action of a server at SIGHUP. On a terminal the signal means that the terminal was closed: the server stops
// cleanly. Elsewhere a supervisor reloads or rotates a log, and the server only logs that nothing changes.
func (p *program) hangupAction(log *slog.Logger, stop func()) func() {
	if p.InTerminal || p.ErrTerminal {
		return stop
	}
	return func() {
		log.Info("SIGHUP changes nothing: plugins and secrets are read again when they change, other settings when the server starts")
	}
}

// serverLog returns the logger of a server. It never blocks or fails, also when the reader of the log does.
func (p *program) serverLog(s *config.Settings, demo bool) *slog.Logger {
	direct := p.logger(s, demo)
	p.logs = console.NewLogWriter(p.Err, func(lost int64) {
		direct.Warn("log lines were lost: the reader of the log was gone or too slow", "lines", lost)
	})
	p.Err = p.logs
	return p.logger(s, demo)
}

// logger returns a logger that writes text on a terminal, and JSON elsewhere. The demo writes to standard output, and logs only
// errors.
func (p *program) logger(s *config.Settings, demo bool) *slog.Logger {
	if demo {
		s.LogFormat, s.LogLevel = "text", max(s.LogLevel, slog.LevelError)
	}
	text := s.LogFormat == "text" || s.LogFormat == "auto" && p.ErrTerminal
	if text {
		return slog.New(console.SafeLog(tint.NewTextHandler(p.Err, &tint.Options{Level: s.LogLevel, TimeFormat: "15:04:05", NoColor: !p.useColour()})))
	}
	return slog.New(slog.NewJSONHandler(console.SafeJSON(p.Err), &slog.HandlerOptions{Level: s.LogLevel, ReplaceAttr: inMilliseconds}))
}

// inMilliseconds replaces durations by milliseconds, as in the API, with the suffix _ms. slog would write nanoseconds without a unit.
func inMilliseconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Float64(a.Key+"_ms", float64(a.Value.Duration().Microseconds())/1000)
	}
	return a
}

// useColour reports whether standard error shows colours (https://no-color.org).
func (p *program) useColour() bool {
	return p.ErrTerminal && p.Getenv("NO_COLOR") == "" && p.Getenv("TERM") != "dumb"
}
