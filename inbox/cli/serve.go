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

	"inbox/inbox/config"
	"inbox/inbox/serve"
)

func (p *program) serveCommand() *cli.Command {
	var flags []cli.Flag
	for _, one := range config.All() {
		usage := strings.ReplaceAll(one.Usage, "`", "'") + " (" + one.Env // in backticks it would be taken for the name of the value
		if one.Default != "" {
			usage += "; default " + one.Default
		}
		flags = append(flags, &cli.StringFlag{Name: one.Flag, Usage: usage + ")"})
	}
	flags = append(flags,
		flag("demo", "show the whole line: a store for the moment, a plugin, and sample events"),
		flag("paused", "start no plugin until 'inbox plugin resume --all'"),
		flag("no-secret", "begin without webhook secrets: answer probes and keep the rest aside"),
		flag("dev", "log everything, for reading: for those who write a plugin"),
	)
	return p.leaf(spec{
		name: "serve", usage: "receive webhooks, keep them, and lead them through plugins", flags: flags, run: p.serve,
		about: "The first interrupt or SIGTERM stops it cleanly: what runs may end, what waits is kept. The second stops it at once.",
	})
}

func (p *program) serve(c *cli.Context) error { return p.serveWith(c, serve.Harm{}) }

func (p *program) serveWith(c *cli.Context, harm serve.Harm) error {
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
	log := p.logger(s, c.Bool("demo"))
	for _, n := range append(slices.Clone(s.Notes), s.SecretNotes()...) {
		log.Warn(n)
	}
	ctx, stop := untilSignal(p.ctx, func() { os.Exit(exitInterrupted) })
	defer stop()
	return serve.Run(ctx, s, serve.Options{
		Demo: c.Bool("demo"), NoSecret: c.Bool("no-secret"), Paused: c.Bool("paused"), Stdout: p.out, Log: log,
		Version: version(), Command: command(os.Args[0]), LimitHeap: p.limitHeap, Harm: harm,
	})
}

// limitHeap has Go's collector work harder before the heap exceeds what it need not, rather than let garbage double it. An
// operator's own limit stands.
func (p *program) limitHeap(bytes int64) {
	if p.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}

// command is how the program was called. What `go run` builds is gone with it, and cannot be called again.
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

// logger writes lines for people on a terminal, and JSON elsewhere.
// The demo tells its story on standard output; of its log only what is wrong is of use.
func (p *program) logger(s *config.Settings, demo bool) *slog.Logger {
	if demo {
		s.LogFormat, s.LogLevel = "text", max(s.LogLevel, slog.LevelError)
	}
	text := s.LogFormat == "text" || s.LogFormat == "auto" && p.errTerminal
	if text {
		return slog.New(printableLog{tint.NewTextHandler(p.err, &tint.Options{Level: s.LogLevel, TimeFormat: "15:04:05", NoColor: !p.colourful()})})
	}
	return slog.New(slog.NewJSONHandler(printableJSON{p.err}, &slog.HandlerOptions{Level: s.LogLevel, ReplaceAttr: spans}))
}

// spans gives durations the unit they have in the API, duration_ms; slog would write nanoseconds without saying so.
func spans(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Float64(a.Key+"_ms", float64(a.Value.Duration().Microseconds())/1000)
	}
	return a
}

// colourful reports whether standard error takes colours (https://no-color.org).
func (p *program) colourful() bool {
	return p.errTerminal && p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb"
}
