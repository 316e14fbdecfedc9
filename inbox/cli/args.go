package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// normalise moves the flags of a command before its arguments. urfave/cli stops reading flags at the first argument: without this,
// `inbox replay ID --dry-run` would not be a dry run. It also rejects a flag as the value of another flag: in `--event --dry-run`
// the value is missing.
//
// It moves unknown flags too, so that they are reported as unknown flags. After "--" every word is an argument.
func normalise(commands []*cli.Command, args []string) ([]string, error) {
	var path []string
	var leaf *cli.Command
	for len(args) > 0 {
		if args[0] == "--version" && len(path) == 0 {
			args[0] = "version"
		}
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(args[0]) })
		if i < 0 {
			break
		}
		leaf, commands = commands[i], commands[i].Subcommands
		path, args = append(path, args[0]), args[1:]
	}
	if leaf == nil || len(leaf.Subcommands) > 0 || leaf.SkipFlagParsing {
		return append(path, args...), nil
	}
	flags, rest, err := split(leaf, args)
	if err != nil {
		return nil, err
	}
	return slices.Concat(path, flags, rest), nil
}

// split separates a command's words into flags with their values, and arguments.
func split(c *cli.Command, args []string) (flags, rest []string, err error) {
	for i := 0; i < len(args); i++ {
		word := args[i]
		switch {
		case word == "--":
			return flags, slices.Concat(rest, args[i:]), nil
		case !isFlag(word):
			rest = append(rest, word)
			continue
		}
		flags = append(flags, word)
		name, _, hasValue := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if hasValue || !takesValue(c, name) || i+1 == len(args) {
			continue
		}
		i++
		value := args[i]
		if inner, _, _ := strings.Cut(strings.TrimLeft(value, "-"), "="); isFlag(value) && (findFlag(c, inner) != nil || value == "--") {
			return nil, nil, usage("%s needs a value, and %s is a flag", word, value).WithHint("if it is the value, write " + word + "=" + value)
		}
		flags = append(flags, value)
	}
	return flags, rest, nil
}

// isFlag reports whether a word looks like a flag. A single dash means standard input.
func isFlag(word string) bool { return len(word) > 1 && word[0] == '-' }

func findFlag(c *cli.Command, name string) cli.Flag {
	for _, f := range c.Flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func takesValue(c *cli.Command, name string) bool {
	f := findFlag(c, name)
	if f == nil {
		return false
	}
	_, isBool := f.(*cli.BoolFlag)
	return !isBool
}

// formatOf returns the output format. It is needed before the flags are parsed, so that their errors are reported in that format.
func formatOf(args []string) string {
	format := "table"
	for i, word := range args {
		name, value, hasValue := strings.Cut(strings.TrimLeft(word, "-"), "=")
		switch {
		case word == "--":
			return format
		case !isFlag(word):
		case name == "json" && (!hasValue || value == "true"):
			return "json"
		case name != "o" && name != "output":
		case hasValue:
			format = value
		case i+1 < len(args):
			format = args[i+1]
		}
	}
	return format
}
