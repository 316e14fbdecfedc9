package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"inbox/inbox/cli/console"
)

// Layout of the help: 80 columns when the width of the terminal is unknown, and at most 100, since longer lines are hard to read.
const (
	helpWidth    = 80
	helpWidest   = 100
	helpIndent   = "   "
	helpColumn   = 31 // largest column at which the text of a flag or command begins
	longLine     = 90 // a line of a description with at least this length continues in the next line
	repeatable   = "; may be given several times"
	helpFlagText = "show this help"
)

// wrapHelp sets the help text of every command, wrapped at words. The library's own help has lines of 160 columns.
func (p *program) wrapHelp(app *cli.App) {
	width := p.TerminalWidth()
	if width == 0 {
		width = helpWidth
	}
	h := helper{width: min(width, helpWidest)}
	app.CustomAppHelpTemplate = literal(h.command(app.Name, app.Usage, "COMMAND [flags] [arguments]", app.Description, app.Commands, app.Flags))
	h.each(app.Name, app.Commands)
}

// literal returns a template whose output is the text.
func literal(text string) string { return strings.ReplaceAll(text, "{{", `{{"{{"}}`) }

// asksHelp reports whether a command line may ask for help.
func asksHelp(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		return name == "help" || name == "h"
	})
}

// reduceToHelp reduces a command line that asks for help to the command and --help. Otherwise the library would take the first argument
// for the name of a topic.
func reduceToHelp(commands []*cli.Command, args []string) []string {
	n := 0
	for n < len(args) {
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(args[n]) })
		if i < 0 {
			break
		}
		if commands[i].SkipFlagParsing {
			return args
		}
		commands, n = commands[i].Subcommands, n+1
	}
	if n == 0 || len(commands) > 0 {
		return args
	}
	for _, word := range args[n:] {
		switch word {
		case "--":
			return args
		case "-h", "--help", "-help":
			return append(slices.Clone(args[:n]), "--help")
		}
	}
	return args
}

// helper writes help texts for a line width.
type helper struct {
	b     strings.Builder
	width int
}

func (h *helper) each(path string, commands []*cli.Command) {
	for _, c := range commands {
		full := path + " " + c.Name
		args := strings.TrimSpace("[flags] " + c.ArgsUsage)
		if len(c.Subcommands) > 0 {
			args = "COMMAND [flags] [arguments]"
		}
		c.CustomHelpTemplate = literal(h.command(full, c.Usage, args, c.Description, c.Subcommands, c.Flags))
		h.each(full, c.Subcommands)
	}
}

// command returns the help of one command.
func (h *helper) command(full, usage, args, about string, commands []*cli.Command, flags []cli.Flag) string {
	h.b.Reset()
	h.section("NAME", full+" - "+usage)
	h.section("USAGE", full+" "+args)
	if about != "" {
		h.section("DESCRIPTION", paragraphs(about)...)
	}
	var rows [][2]string
	for _, c := range commands {
		if !c.Hidden {
			rows = append(rows, [2]string{strings.Join(c.Names(), ", "), c.Usage})
		}
	}
	h.list("COMMANDS", rows)
	rows = nil
	for _, f := range flags {
		if f.Names()[0] != "help" {
			rows = append(rows, flagHelp(f))
		}
	}
	h.list("OPTIONS", append(rows, [2]string{"--help, -h", helpFlagText}))
	return h.b.String()
}

// paragraphs returns the paragraphs of a description, each as one line.
func paragraphs(text string) (list []string) {
	var whole []string
	for line := range strings.SplitSeq(text, "\n") {
		whole = append(whole, line)
		if len(line) < longLine {
			list = append(list, strings.Join(whole, " "))
			whole = nil
		}
	}
	if whole != nil {
		list = append(list, strings.Join(whole, " "))
	}
	return list
}

func (h *helper) section(head string, paragraphs ...string) {
	if h.b.Len() > 0 {
		h.b.WriteString("\n")
	}
	h.b.WriteString(head + ":\n")
	for _, text := range paragraphs {
		for _, line := range console.Wrap(text, h.width-len(helpIndent)) {
			h.b.WriteString(helpIndent + line + "\n")
		}
	}
}

// list writes names and their texts in two columns. The text of a name that is too long is below it.
func (h *helper) list(head string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	h.section(head)
	column := 0
	for _, row := range rows {
		if n := len(helpIndent) + console.TextWidth(row[0]) + 2; n <= helpColumn {
			column = max(column, n)
		}
	}
	column = max(column, len(helpIndent)+8)
	for _, row := range rows {
		before := helpIndent + row[0]
		if console.TextWidth(before)+2 > column {
			h.b.WriteString(before + "\n")
			before = ""
		}
		for _, line := range console.Wrap(row[1], max(h.width-column, console.Narrowest)) {
			h.b.WriteString(strings.TrimRight(before+strings.Repeat(" ", column-console.TextWidth(before))+line, " ") + "\n")
			before = ""
		}
	}
}

// flagHelp returns the names of a flag with its value, and its description.
func flagHelp(f cli.Flag) [2]string {
	var names []string
	for _, name := range f.Names() {
		names = append(names, dashed(name))
	}
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return [2]string{strings.Join(names, ", "), ""}
	}
	usage, value := doc.GetUsage(), "VALUE"
	if before, rest, found := strings.Cut(usage, "`"); found {
		name, after, _ := strings.Cut(rest, "`")
		usage, value = before+name+after, name
	}
	if !doc.TakesValue() {
		return [2]string{strings.Join(names, ", "), usage}
	}
	if s, is := f.(cli.DocGenerationSliceFlag); is && s.IsSliceFlag() {
		usage += repeatable
	}
	if text := doc.GetDefaultText(); text != "" && text != "0" {
		usage += " (default: " + strings.Trim(text, `"`) + ")"
	}
	return [2]string{strings.Join(names, ", ") + " " + value, usage}
}
