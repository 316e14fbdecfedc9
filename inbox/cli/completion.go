package cli

import (
	"strings"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
)

func (p *program) completionCommand() *cli.Command {
	return p.leaf(spec{
		name: "completion", usage: "print a script that completes commands, flags and values", args: "bash|zsh|fish", min: 1, max: 1,
		about: "bash:  source <(inbox completion bash)\nzsh:   source <(inbox completion zsh)\nfish:  inbox completion fish | source",
		run: func(c *cli.Context) error {
			script, ok := scripts()[c.Args().First()]
			if !ok {
				e := usage("there is no completion for %q", c.Args().First())
				if near := inbox.Nearest(c.Args().First(), shells()); near != "" {
					return e.WithHint("did you mean " + near + "?")
				}
				return e.WithHint("there is one for " + strings.Join(shells(), ", "))
			}
			return p.Print("%s", script)
		},
	})
}

func shells() []string { return []string{"bash", "zsh", "fish"} }

// scripts returns the scripts by shell. They pass the words of the line to `inbox __complete`.
func scripts() map[string]string {
	return map[string]string{
		"bash": `_inbox() {
	local IFS=$'\n'
	COMPREPLY=($(inbox __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _inbox inbox
`,
		"zsh": `#compdef inbox
_inbox() {
	local -a found
	found=("${(@f)$(inbox __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	compadd -a found
}
compdef _inbox inbox
`,
		"fish": `complete -c inbox -f -a '(inbox __complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
	}
}
