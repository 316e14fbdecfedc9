package cli

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
	"inbox/inbox/qoreid"
)

// spec describes a command.
type spec struct {
	name    string
	aliases []string
	usage   string
	args    string // form of the arguments; empty: none
	max     int    // largest number of arguments; -1: unbounded
	min     int
	about   string // description in the help
	flags   []cli.Flag
	remote  bool // uses the API, so has --url and --token
	formats []string
	run     func(c *cli.Context) error
}

// leaf returns the command with its own and the common flags. All commands report mistakes in the same form, and reject arguments that
// look like flags.
func (p *program) leaf(s spec) *cli.Command {
	flags := slices.Concat(s.flags, p.commonFlags(s))
	return &cli.Command{
		Name: s.name, Aliases: s.aliases, Usage: s.usage, ArgsUsage: s.args, Description: s.about, Flags: flags,
		HideHelpCommand: true, OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			if err := p.checkCall(c, s); err != nil {
				return err
			}
			return s.run(c)
		},
	}
}

// parent returns a command that only groups other commands.
func (p *program) parent(name string, aliases []string, usage string, commands ...*cli.Command) *cli.Command {
	return &cli.Command{
		Name: name, Aliases: aliases, Usage: usage, Subcommands: commands, HideHelpCommand: true, OnUsageError: usageError,
		Action: p.group,
	}
}

func (p *program) commonFlags(s spec) []cli.Flag {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "config", Aliases: []string{"c"}, Usage: "read settings from `FILE` (INBOX_CONFIG; default inbox.toml if there is one)"},
	}
	if findFlag(&cli.Command{Flags: s.flags}, "data") == nil {
		flags = append(flags, &cli.StringFlag{Name: "data", Usage: "the data directory `DIR` (INBOX_DATA)"})
	}
	if s.remote {
		flags = append(flags,
			&cli.StringFlag{Name: "url", Usage: "admin address of a remote server, as `URL` (INBOX_URL)"},
			&cli.StringFlag{Name: "token", Usage: "its token, or @FILE that holds it (INBOX_TOKEN)"})
	}
	if len(s.formats) > 0 {
		flags = append(flags,
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "table", Usage: "`FORMAT`: " + strings.Join(s.formats, ", ")},
			flag("json", "the same as -o json"),
			flag("wide", "show all columns of a table on a terminal"))
	}
	return append(flags,
		flag("quiet", "write only errors to standard error", "q"),
		flag("verbose", "show the server or directory that is used", "v"))
}

// flag returns a flag without a value.
func flag(name, usage string, aliases ...string) cli.Flag {
	return &cli.BoolFlag{Name: name, Aliases: aliases, Usage: usage, DisableDefaultText: true}
}

func yesFlag() cli.Flag {
	return flag("yes", "do not ask", "y")
}

func reasonFlag() cli.Flag {
	return &cli.StringFlag{Name: "reason", Usage: "`REASON` for the audit log"}
}

func revealFlag() cli.Flag {
	return flag("reveal", "show payloads, reasons and logs as they are; this is recorded")
}

func dryRunFlag() cli.Flag {
	return flag("dry-run", "show what would be done, and change nothing")
}

// Formats of output.
func listFormats() []string { return []string{"table", "json", "jsonl", "ids"} }
func showFormats() []string { return []string{"table", "json"} }

// checkCall checks the arguments and the common flags, and sets the style of the output.
func (p *program) checkCall(c *cli.Context, s spec) error {
	args := c.Args().Slice()
	for _, a := range args {
		if isFlag(a) {
			return usage("%q is not an argument", a).WithHint(c.Command.HelpName + " --help shows the spelling of flags")
		}
	}
	if s.max >= 0 && len(args) > s.max {
		return usage("%s takes no argument %q", c.Command.HelpName, args[s.max]).WithHint(strings.TrimSpace("usage: " + c.Command.HelpName + " " + s.args))
	}
	if len(args) < s.min {
		return usage("%s needs %s", c.Command.HelpName, s.args).WithHint(c.Command.HelpName + " --help")
	}
	if err := checkEmpty(c); err != nil {
		return err
	}
	p.Quiet, p.verbose = c.Bool("quiet"), c.Bool("verbose")
	p.Format, p.Wide = "table", c.Bool("wide")
	if len(s.formats) == 0 {
		return nil
	}
	p.Format = c.String("output")
	if c.Bool("json") {
		p.Format = "json"
	}
	if !slices.Contains(s.formats, p.Format) {
		bad := p.Format
		p.Format = "table"
		return usage("the output format is %q, not one of %s", bad, strings.Join(s.formats, ", "))
	}
	return nil
}

// checkEmpty rejects an empty value of a flag for which it has no meaning: `--plugin "$NAME"` with an unset variable would mean every
// plugin.
func checkEmpty(c *cli.Context) error {
	mayBeEmpty := []string{"url", "token", "reason", "admin", "health", "plugins", "trusted-proxies", "data", "config"}
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if !c.IsSet(name) || slices.Contains(mayBeEmpty, name) {
			continue
		}
		var values []string
		switch f.(type) {
		case *cli.StringFlag:
			values = []string{c.String(name)}
		case *cli.StringSliceFlag:
			values = c.StringSlice(name)
		}
		if slices.ContainsFunc(values, func(v string) bool { return strings.Trim(v, ", ") == "" }) {
			return usage("--%s is empty", name).WithHint("omit it, or give it a value")
		}
	}
	return nil
}

// filterFlags returns the flags that select events. They are the same for every command.
func filterFlags() []cli.Flag {
	list := func(name, usage string, aliases ...string) cli.Flag {
		return &cli.StringSliceFlag{Name: name, Aliases: aliases, Usage: usage}
	}
	return []cli.Flag{
		list("event", "QoreID's event `NAME`; * at the end matches any suffix"),
		list("event-type", "QoreID's event_type `NAME`"),
		list("source", "`NAME` of the source"),
		&cli.StringFlag{Name: "mode", Usage: "live or test"},
		&cli.StringFlag{Name: "key", Usage: "ordering `KEY`: the verification or customer"},
		&cli.StringFlag{Name: "customer-reference", Usage: "`REFERENCE` of the customer"},
		list("status", "verdict (passed, failed, pending, unknown), or the payload's own `STATUS`"),
		&cli.StringFlag{Name: "since", Usage: "stored at or after `WHEN`: 2h, 3d, 2026-11-20, \"2026-11-20 14:05\", today, or RFC 3339"},
		&cli.StringFlag{Name: "until", Usage: "stored before `WHEN`"},
		list("where", "`POINTER=VALUE` in the body, as in /data/status/state=COMPLETE"),
		&cli.IntFlag{Name: "limit", DefaultText: "no limit", Usage: "at most `N`"},
	}
}

// filter returns the filter of the flags. All list flags but --where accept several values joined by commas.
func (p *program) filter(c *cli.Context) (f inbox.Filter, err error) {
	f = inbox.Filter{
		Events: listValues(c, "event"), EventTypes: listValues(c, "event-type"), Sources: listValues(c, "source"), Statuses: listValues(c, "status"),
		Mode: inbox.Mode(c.String("mode")), Key: c.String("key"), CustomerReference: c.String("customer-reference"), Limit: c.Int("limit"),
	}
	if f.Mode != "" && !f.Mode.Valid() {
		return f, usage("--mode is %q, not live or test", f.Mode)
	}
	if f.Limit < 0 {
		return f, usage("--limit is negative")
	}
	if f.Since, f.Until, err = p.timeRange(c); err != nil {
		return f, err
	}
	f.Where, err = api.ParseWhere(c.StringSlice("where"))
	return f, err
}

// reportNoMatch reports that nothing matches a filter, and lists its words that may be misspelt. Without a filter it writes nothing.
func (p *program) reportNoMatch(f *inbox.Filter, noun string) {
	if !f.Narrow() {
		return
	}
	text := "no " + noun + " matches"
	for _, word := range f.Statuses {
		if !qoreid.KnowsStatus(word) {
			text += fmt.Sprintf("; %q is neither a verdict nor a known status", word)
		}
	}
	p.Say("%s", text)
}

// timeRange parses --since and --until.
func (p *program) timeRange(c *cli.Context) (since, until time.Time, err error) {
	for name, to := range map[string]*time.Time{"since": &since, "until": &until} {
		if text := c.String(name); text != "" {
			if *to, err = p.When(text); err != nil {
				return since, until, usage("--%s: %w", name, err)
			}
		}
	}
	return since, until, nil
}

// selection returns the filter of the flags, and the ids in the arguments.
func (p *program) selection(c *cli.Context) (f inbox.Filter, ids []string, err error) {
	if f, err = p.filter(c); err != nil {
		return f, nil, err
	}
	ids, err = p.ids(c)
	return f, ids, err
}

// listValues returns the values of a list flag. It may be repeated, and each value may be several joined by commas.
func listValues(c *cli.Context, name string) []string {
	var list []string
	for _, v := range c.StringSlice(name) {
		for word := range strings.SplitSeq(v, ",") {
			if word = strings.TrimSpace(word); word != "" {
				list = append(list, word)
			}
		}
	}
	return list
}

// oneID returns the id of the only event in the arguments, or, for "-", on standard input.
func (p *program) oneID(c *cli.Context) (string, error) {
	list, err := p.ids(c)
	switch {
	case err != nil:
		return "", err
	case len(list) == 0:
		return "", usage("standard input names no event")
	case len(list) > 1:
		return "", usage("standard input names %d events, but only one can be shown", len(list))
	}
	return list[0], nil
}

// ids returns the arguments. It replaces "-" by the lines of standard input.
func (p *program) ids(c *cli.Context) ([]string, error) {
	var list []string
	for _, a := range c.Args().Slice() {
		if a != "-" {
			list = append(list, a)
			continue
		}
		lines := bufio.NewScanner(p.In)
		for lines.Scan() {
			if id := strings.TrimSpace(lines.Text()); id != "" {
				list = append(list, id)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, inbox.Errorf(inbox.Unavailable, "read ids from standard input", "%w", err)
		}
	}
	for _, id := range list {
		_, isID := inbox.EventSeq(id)
		if _, isSeq := inbox.ParseSeq(id); !isID && !isSeq {
			return nil, usage("%q is neither the id nor the seq of an event", id).WithHint("an id begins with evt_, and a seq is a number such as 17; `inbox event list` shows ids")
		}
	}
	return list, nil
}

// endWithoutIDs writes an empty list, because standard input named no event.
func endWithoutIDs[T any](p *program, l *console.List[T]) error {
	p.Say("standard input names no event")
	return l.End()
}
