package cli

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/operator"
	"inbox/inbox/qoreid"
)

// completeCommand is the command that the scripts of `inbox completion` call. Its arguments are the words of the unfinished line. It
// writes the completions of the last word, one a line. It never fails: after an error it writes none.
func (p *program) completeCommand() *cli.Command {
	return &cli.Command{
		Name: "__complete", Hidden: true, SkipFlagParsing: true, HideHelp: true,
		Action: func(c *cli.Context) error {
			words := c.Args().Slice()
			if len(words) > 0 && words[0] == "--" {
				words = words[1:]
			}
			if len(words) == 0 {
				words = []string{""}
			}
			p.Quiet = true
			last := words[len(words)-1]
			for _, candidate := range p.candidates(c, words) {
				if strings.HasPrefix(candidate, last) {
					if err := p.Print("%s\n", candidate); err != nil {
						return nil
					}
				}
			}
			return nil
		},
	}
}

// candidates returns the completions of the last word.
func (p *program) candidates(c *cli.Context, words []string) []string {
	commands := c.App.Commands
	var leaf *cli.Command
	before, last := words[:len(words)-1], words[len(words)-1]
	for len(before) > 0 {
		i := slices.IndexFunc(commands, func(x *cli.Command) bool { return x.HasName(before[0]) })
		if i < 0 {
			break
		}
		leaf, commands, before = commands[i], commands[i].Subcommands, before[1:]
	}
	if leaf == nil || len(commands) > 0 {
		return visible(commands)
	}
	if n := len(before); n > 0 && isFlag(before[n-1]) {
		if name := strings.TrimLeft(before[n-1], "-"); takesValue(leaf, name) {
			return p.values(leaf, name, before)
		}
	}
	if strings.HasPrefix(last, "-") {
		var flags []string
		for _, f := range leaf.Flags {
			flags = append(flags, dashed(f.Names()[0]))
		}
		return flags
	}
	return p.arguments(leaf, before)
}

func visible(commands []*cli.Command) []string {
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}

// values returns the values of a flag.
func (p *program) values(leaf *cli.Command, flag string, line []string) []string {
	switch flag {
	case "output", "o":
		return listFormats()
	case "event", "event-type":
		return eventWords(flag)
	case "outcome":
		return inbox.Outcomes()
	case "action":
		return api.AuditActions()
	case "plugin":
		return p.queryStore(leaf, line, pluginNames)
	}
	return map[string][]string{
		"mode":       {string(inbox.Live), string(inbox.Test)},
		"only":       {string(inbox.OnlyAll), string(inbox.OnlyFailed), string(inbox.OnlyMissing)},
		"status":     {string(inbox.Passed), string(inbox.Failed), string(inbox.Pending), string(inbox.Unknown)},
		"since":      {"1h", "24h", "7d", "today", "yesterday"},
		"until":      {"1h", "24h", "7d", "today", "yesterday"},
		"scope":      {string(inbox.ScopeRead), string(inbox.ScopeState), string(inbox.ScopeState) + ":", string(inbox.ScopeAdmin)},
		"actor":      {"token", "inbox", operator.Self()},
		"log-format": {"auto", "text", "json"},
		"log-level":  {"debug", "info", "warn", "error"},
	}[flag]
}

// eventWords returns the names or the types of the events that have samples.
func eventWords(flag string) []string {
	var list []string
	for _, k := range qoreid.Kinds() {
		list = append(list, map[string]string{"event": k.Event, "event-type": k.EventType}[flag])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// arguments returns the possible arguments of a command.
func (p *program) arguments(leaf *cli.Command, line []string) []string {
	switch {
	case leaf.HasName("send"):
		var list []string
		for _, k := range qoreid.Kinds() {
			list = append(list, k.String())
		}
		return list
	case leaf.HasName("completion"):
		return shells()
	case strings.HasSuffix(leaf.ArgsUsage, "PLUGIN KEY") && len(line) > 0 && inbox.IsPluginName(line[0]):
		return p.queryStore(leaf, line, stateKeys(line[0]))
	case strings.HasPrefix(leaf.ArgsUsage, "NAME"), strings.Contains(leaf.ArgsUsage, "PLUGIN"):
		return p.queryStore(leaf, line, pluginNames)
	case strings.Contains(leaf.ArgsUsage, "ID"):
		return p.queryStore(leaf, line, eventIDs(leaf))
	case leaf.ArgsUsage == "TOKEN":
		return p.queryStore(leaf, line, tokenNames)
	case leaf.ArgsUsage == "KEY":
		return p.queryStore(leaf, line, entityKeys)
	}
	return nil
}

// query asks the store for completions.
type query func(ctx context.Context, client *api.Client) []string

// queryStore returns completions from the store. It has a short timeout, since a completion must be fast.
func (p *program) queryStore(leaf *cli.Command, line []string, ask query) []string {
	ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
	defer cancel()
	var found []string
	probe := p.leaf(spec{name: "probe", max: -1, remote: true, run: func(c *cli.Context) error {
		client, err := p.client(c)
		if err == nil {
			found = ask(ctx, client)
		}
		return err
	}})
	app := cli.NewApp()
	app.Writer, app.ErrWriter, app.ExitErrHandler = io.Discard, io.Discard, func(*cli.Context, error) {}
	app.Commands = []*cli.Command{probe}
	_ = app.RunContext(ctx, slices.Concat([]string{"inbox", "probe"}, storeFlags(leaf, line))) // an error means no completions
	return found
}

// storeFlags returns the flags of an unfinished line that locate the store.
func storeFlags(leaf *cli.Command, line []string) []string {
	var kept []string
	for i, word := range line {
		name, _, hasValue := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if !isFlag(word) || !slices.Contains([]string{"config", "c", "data", "url", "token"}, name) || leaf.HasName("send") {
			continue
		}
		kept = append(kept, word)
		if !hasValue && i+1 < len(line) {
			kept = append(kept, line[i+1])
		}
	}
	return kept
}

func pluginNames(ctx context.Context, client *api.Client) []string {
	plugins, _ := client.Plugins(ctx)
	var names []string
	for _, x := range plugins {
		if inbox.IsPluginName(x.Name) { // names of other files may contain anything, and must not reach a shell
			names = append(names, x.Name)
		}
	}
	return names
}

// eventIDs returns a query for the ids of the newest events, or, for commands about dead letters, of dead events.
func eventIDs(leaf *cli.Command) query {
	return func(ctx context.Context, client *api.Client) []string {
		var ids []string
		if leaf.HasName("retry") || leaf.HasName("discard") {
			deadLetters, _ := client.DeadLetters(ctx, inbox.Filter{Limit: 50}, nil, false, api.Reveal{})
			for _, l := range deadLetters {
				ids = append(ids, l.ID)
			}
			return ids
		}
		_ = client.Events(ctx, inbox.Filter{Newest: true, Limit: 50}, nil, func(e api.Event) error {
			ids = append(ids, e.ID)
			return nil
		})
		return ids
	}
}

// stateKeys returns a query for keys that a plugin keeps state for.
func stateKeys(plugin string) query {
	return func(ctx context.Context, client *api.Client) []string {
		var keys []string
		_ = client.EachState(ctx, inbox.StateFilter{Plugin: plugin, Limit: 50}, func(s api.State) error {
			keys = append(keys, s.Key)
			return nil
		})
		return keys
	}
}

func tokenNames(ctx context.Context, client *api.Client) []string {
	tokens, _ := client.Tokens(ctx)
	var names []string
	for _, t := range tokens {
		names = append(names, t.Name)
	}
	return names
}

func entityKeys(ctx context.Context, client *api.Client) []string {
	entities, _ := client.Entities(ctx, inbox.Filter{Limit: 50}, false, 0)
	var keys []string
	for _, e := range entities {
		keys = append(keys, e.Key)
	}
	return keys
}
