package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
	"inbox/inbox/release"
)

func (p *program) pluginCommand() *cli.Command {
	pause := p.leaf(spec{
		name: "pause", usage: "pause plugins: they start no attempts, and their events wait", args: "NAME…", max: -1, remote: true, formats: listFormats(),
		about: "When the command ends, no further attempt starts. It waits up to ten seconds for running attempts, and then\n" +
			"shows the number of those that are still running.",
		flags: []cli.Flag{reasonFlag(), flag("all", "every plugin")}, run: p.pluginPause,
	})
	resume := p.leaf(spec{
		name: "resume", usage: "resume plugins that are paused, on hold or disabled, or everything after `serve --paused`", args: "NAME…", max: -1, remote: true,
		formats: listFormats(), flags: []cli.Flag{reasonFlag(), flag("all", "every plugin that is paused, and everything after 'serve --paused'")}, run: p.pluginResume,
	})
	commands := []*cli.Command{
		p.leaf(spec{name: "list", aliases: []string{"ls"}, usage: "list plugins, their state and their backlog", remote: true, formats: listFormats(), run: p.pluginList}),
		pause,
		resume,
		p.leaf(spec{
			name: "rollback", usage: "run an earlier release until the plugin's file changes", args: "NAME", min: 1, max: 1, remote: true, formats: listFormats(),
			flags: []cli.Flag{&cli.StringFlag{Name: "to", Usage: "`RELEASE`, or the beginning of its id; default: the release before the live one"}, reasonFlag()},
			run:   p.pluginRollback,
		}),
		p.leaf(spec{
			name: "inspect", aliases: []string{"show", "get"}, usage: "show a plugin's module and releases, or the module in a .wasm file", args: "NAME|FILE.wasm", min: 1, max: 1,
			remote: true, formats: showFormats(), flags: []cli.Flag{&cli.StringFlag{Name: "release", Usage: "show this `RELEASE` instead of the live one"}}, run: p.pluginInspect,
		}),
	}
	commands = append(commands, p.embedCommand(), p.removeCommand())
	commands = append(commands, plannedCommands(map[string]string{
		"logs":    "`inbox event show ID` and `inbox entity show KEY` show each attempt's log",
		"install": "put NAME.toml, if the plugin has one, into the plugins folder, and then NAME.wasm: the plugin is live once it is compiled",
		"new":     "examples/ has a first plugin for each language",
		"build":   "build it with the compiler of its language, as in GOOS=wasip1 GOARCH=wasm go build -o NAME.wasm",
		"run":     "put it into the plugins folder of `inbox serve --dev`, and send an event with `inbox send`",
		"test":    "`inbox plugin inspect FILE.wasm` checks a file; examples/hello-go shows a test with go test, without a server",
		"reload":  "the server compiles a changed file in the plugins folder by itself",
		"sign":    "", "verify": "", "plan": "",
	})...)
	return p.parent("plugin", []string{"plugins"}, "list, inspect, pause and roll back plugins", commands...)
}

func (p *program) pluginRows() *console.List[api.Plugin] {
	number := func(get func(api.Plugin) int64) func(api.Plugin) string {
		return func(x api.Plugin) string { return fmt.Sprint(get(x)) }
	}
	return console.NewList(&p.Console, func(x api.Plugin) string { return x.Name },
		console.Col("NAME", func(x api.Plugin) string { return x.Name }),
		console.Col("STATE", pluginState),
		console.Col("LIVE", func(x api.Plugin) string { return console.OrDash(x.Live) }),
		console.Col("ENGINE", func(x api.Plugin) string { return console.OrDash(x.Engine) }),
		console.Col("CURSOR", number(func(x api.Plugin) int64 { return x.Cursor })),
		console.Col("BEHIND", number(func(x api.Plugin) int64 { return x.Behind })),
		console.Col("RETRYING", number(func(x api.Plugin) int64 { return x.Retrying })),
		console.Col("PARKED", number(func(x api.Plugin) int64 { return x.Parked })),
		console.Col("DEAD", number(func(x api.Plugin) int64 { return x.Dead })),
		console.Col("FILTERED", number(func(x api.Plugin) int64 { return x.Filtered })),
		console.Col("LAG", func(x api.Plugin) string { return lagText(x.LagSeconds) }),
		console.Col("NOTE", p.pluginNote),
	)
}

func pluginState(x api.Plugin) string {
	words := []string{string(x.State)}
	if x.Runs && x.State == inbox.FileRefused { // a refused file does not stop the live release
		words[0] = "live (file refused)"
	}
	if x.Paused {
		words = append(words, "paused")
	}
	if x.OnHold {
		words = append(words, "on hold")
	}
	return strings.Join(words, ", ")
}

// nextProbe returns the time until the next probe of a plugin on hold, in words.
func nextProbe(at, now time.Time) string {
	if wait := at.Sub(now).Round(time.Second); wait > 0 {
		return "next probe in " + wait.String()
	}
	return "next probe now"
}

func (p *program) pluginNote(x api.Plugin) string {
	switch {
	case x.Error != "":
		return x.Error
	case x.OnHold:
		return "on hold: " + x.HoldReason + "; " + nextProbe(x.ProbeAt, p.Now())
	case x.Pinned != "":
		return "pinned by a rollback until its file changes"
	}
	return console.OrDash(x.Note)
}

func lagText(seconds float64) string {
	if seconds <= 0 {
		return "-"
	}
	return console.Duration(time.Duration(seconds * float64(time.Second)))
}

func (p *program) pluginList(c *cli.Context) error {
	client, err := p.client(c)
	if err != nil {
		return err
	}
	plugins, err := client.Plugins(p.ctx)
	if err != nil {
		return err
	}
	if p.Format == "ids" { // other commands take only names of plugins
		plugins = slices.DeleteFunc(plugins, func(x api.Plugin) bool { return x.State == inbox.FileStray })
	}
	if err := p.pluginRows().All(plugins); err != nil {
		return err
	}
	if len(plugins) == 0 {
		p.Say("there is no plugin; put a .wasm file into the plugins folder")
	}
	return nil
}

// pluginRollback rolls a plugin back. When a server runs, it waits until the release is live.
func (p *program) pluginRollback(c *cli.Context) error {
	client, err := p.client(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	x, err := client.Rollback(p.ctx, name, api.Rollback{Release: c.String("to"), Reason: c.String("reason")})
	if err != nil {
		return err
	}
	st, err := client.Status(p.ctx)
	if err != nil {
		return err
	}
	for deadline := p.Now().Add(15 * time.Second); st.Serving && rollbackPending(&x); {
		if p.Now().After(deadline) {
			return inbox.Errorf(inbox.Unavailable, "", "plugin %s does not run the release yet", name).WithHint("`inbox plugin list` shows the reason")
		}
		if err := pause(p.ctx, 100*time.Millisecond); err != nil {
			return err
		}
		d, err := client.Plugin(p.ctx, name, "")
		if err != nil {
			return err
		}
		x = d.Plugin
	}
	if !st.Serving {
		p.Say("the release will run when `inbox serve` does")
	}
	return p.pluginRows().All([]api.Plugin{x})
}

// rollbackPending reports whether the chosen release is not live yet.
func rollbackPending(x *api.Plugin) bool {
	want := x.Pinned
	if want == "" {
		want = x.File
	}
	return x.Live != want && x.State != inbox.FileRefused
}

func (p *program) pluginInspect(c *cli.Context) error {
	name := c.Args().First()
	if strings.HasSuffix(name, ".wasm") {
		return p.inspectFile(name)
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	d, err := client.Plugin(p.ctx, name, c.String("release"))
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(d)
	}
	return p.printPlugin(&d)
}

func (p *program) printPlugin(d *api.PluginDetail) error {
	err := p.Pairs("name", d.Name, "state", pluginState(d.Plugin), "note", p.pluginNote(d.Plugin), "what to do", d.Hint, "release", d.Release)
	if err != nil {
		return err
	}
	if err := p.printModule(d.Module); err != nil {
		return err
	}
	if err := p.printPermissionsInForce(d); err != nil {
		return err
	}
	if err := p.Print("\nreleases\n"); err != nil {
		return err
	}
	for _, r := range d.Releases {
		mark := " "
		if r.Live {
			mark = "*"
		}
		line := fmt.Sprintf("%s  %s  by %s  %s  sha256 %s", r.ID, p.Stamp(r.CreatedAt), r.Actor, console.Bytes(r.Size), r.SHA256)
		if err := p.Print("%s", p.Hanging(mark+" ", line)); err != nil {
			return err
		}
	}
	return nil
}

// inspectFile shows the module in a file. The file may be outside the plugins folder.
func (p *program) inspectFile(path string) error {
	c, err := release.ReadCandidate(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	rel := c.Release
	m, err := inspectModule(p.ctx, c.Wasm, &c.Agreement.Manifest)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if p.Format == "json" {
		return p.Document(struct {
			Release string             `json:"release"`
			Module  *inbox.Module      `json:"module"`
			Terms   []inbox.Permission `json:"permissions"`
		}{rel.ID, m, c.Agreement.Permissions})
	}
	if err := p.Pairs("file", path, "release", rel.ID); err != nil {
		return err
	}
	if err := p.printModule(m); err != nil {
		return err
	}
	return p.printPermissions("asked for and granted", c.Agreement.Permissions)
}

// printPermissions writes the permissions of a plugin: its requests and its grants.
func (p *program) printPermissions(heading string, terms []inbox.Permission) error {
	if len(terms) == 0 {
		return nil
	}
	if err := p.Print("\n%s\n", heading); err != nil {
		return err
	}
	return console.NewList(&p.Console, func(t inbox.Permission) string { return t.Key },
		console.Col("KEY", func(t inbox.Permission) string { return t.Key }),
		console.Col("ASKS", func(t inbox.Permission) string { return console.OrDash(t.Asks) }),
		console.Col("GRANTS", func(t inbox.Permission) string { return console.OrDash(t.Grants) }),
		console.Col("TO GRANT IT", func(t inbox.Permission) string { return console.OrDash(t.How) }),
	).All(terms)
}

func (p *program) printModule(m *inbox.Module) error {
	if m == nil {
		return nil
	}
	metered := "yes"
	if !m.Metered {
		metered = "no: its functions are too complex; the slower check of the runtime stops it instead"
	}
	return p.Pairs("sha256", m.SHA256, "size", console.Bytes(int64(m.Size)), "kind", m.Kind, "memory at least", console.Bytes(int64(m.MemoryMin)),
		"functions", fmt.Sprintf("%d, the largest of %s", m.Functions, console.Bytes(int64(m.Largest))), "metered", metered, "engine", m.Engine,
		"imports", importsText(m.Imports), "exports", strings.Join(m.Exports, ", "))
}
