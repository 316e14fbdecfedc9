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
	for _, one := range config.All() {
		usage := strings.ReplaceAll(one.Usage, "`", "'") + " (" + one.Env // the library takes a word in backticks for the name of the value
		if one.Default != "" {
			usage += "; default " + one.Default
		}
		flags = append(flags, &cli.StringFlag{Name: one.Flag, Usage: usage + ")"})
	}
	flags = append(flags,
		flag("demo", "run a demonstration: a temporary store, a plugin, and sample events"),
		flag("paused", "start no plugin until 'inbox plugin resume --all'"),
		flag("no-secret", "start without webhook secrets: answer probes and quarantine all webhooks"),
		flag("dev", "for authors of plugins: log everything as text, with each attempt's log and reason, which may hold personal data"),
	)
	return p.leaf(spec{
		name: "serve", usage: "receive webhooks, store them, and deliver them to plugins", flags: flags, run: p.serve,
		about: "The first interrupt or SIGTERM stops it cleanly: running attempts may end, waiting events are kept. The second stops it at once.",
	})
}

// serve runs the server. It ignores SIGPIPE, since a closed pipe must not end a server as it ends other programs.
func (p *program) serve(c *cli.Context) error {
	signal.Ignore(syscall.SIGPIPE)
	return p.serveWith(c, serve.Hooks{})
}

func (p *program) serveWith(c *cli.Context, fault serve.Hooks) error {
	flags := map[string]string{}
	for _, one := range config.All() {
		if c.IsSet(one.Flag) {
			flags[one.Flag] = c.String(one.Flag)
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
	ctx, hungUp := context.WithCancel(ctx)
	defer hungUp()
	defer hangUps(p.hungUp(log, hungUp))()
	return serve.Run(ctx, s, serve.Options{
		Demo: c.Bool("demo"), NoSecret: c.Bool("no-secret"), Paused: c.Bool("paused"), Dev: c.Bool("dev"), Stdout: p.Out.To, Log: log,
		Version: version(), Command: command(os.Args[0]), LimitHeap: p.limitHeap, Hooks: fault,
	})
}

// limitHeap makes Go's collector work harder near this heap size, so that garbage does not double the heap. A limit in
// GOMEMLIMIT is kept.
func (p *program) limitHeap(bytes int64) {
	if p.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}

// command returns the command by which the program was called. A binary built by `go run` is deleted afterwards, so that it
// cannot be called again.
func command(name string) string {
	if strings.Contains(filepath.ToSlash(name), "/go-build") {
		return "go run ."
	}
	return name
}

// untilSignal returns a context that ends with the first interrupt or SIGTERM. The second calls now.
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

// hangUps calls then at every SIGHUP until end is called. If SIGHUP is ignored, as under nohup, it stays ignored.
func hangUps(then func()) (end func()) {
	if signal.Ignored(syscall.SIGHUP) {
		return func() {}
	}
	signals, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-signals:
				then()
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

// hungUp returns the action of a server at SIGHUP. On a terminal the signal means that the terminal was closed: the server stops
// cleanly. Elsewhere it is a supervisor's "reload" or the rotation of a log, which need no action.
func (p *program) hungUp(log *slog.Logger, stop func()) func() {
	if p.InTerminal || p.ErrTerminal {
		return stop
	}
	return func() {
		log.Info("SIGHUP changes nothing: plugins and secrets are read again when they change, other settings at a start")
	}
}

// serverLog returns the logger of a server. It never blocks or fails the server, whatever the reader of the log does.
func (p *program) serverLog(s *config.Settings, demo bool) *slog.Logger {
	direct := p.logger(s, demo)
	p.logs = console.NewLogWriter(p.Err, func(lost int64) {
		direct.Warn("log lines were lost: their reader was gone or too slow", "lines", lost)
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
		return slog.New(console.SafeLog(tint.NewTextHandler(p.Err, &tint.Options{Level: s.LogLevel, TimeFormat: "15:04:05", NoColor: !p.colourful()})))
	}
	return slog.New(slog.NewJSONHandler(console.SafeJSON(p.Err), &slog.HandlerOptions{Level: s.LogLevel, ReplaceAttr: spans}))
}

// spans writes durations in the unit of the API, as duration_ms; slog would write nanoseconds without a unit.
func spans(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Float64(a.Key+"_ms", float64(a.Value.Duration().Microseconds())/1000)
	}
	return a
}

// colourful reports whether standard error takes colours (https://no-color.org).
func (p *program) colourful() bool {
	return p.ErrTerminal && p.Getenv("NO_COLOR") == "" && p.Getenv("TERM") != "dumb"
}
