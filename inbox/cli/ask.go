package cli

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
)

func yesFlag() cli.Flag {
	return flag("yes", "do not ask", "y")
}

func reasonFlag() cli.Flag {
	return &cli.StringFlag{Name: "reason", Usage: "`WHY`; it stands in the audit log"}
}

func revealFlag() cli.Flag {
	return flag("reveal", "show payloads, reasons and logs as they are; this is recorded")
}

func dryRunFlag() cli.Flag {
	return flag("dry-run", "say what would be done, and change nothing")
}

// ask asks a question whose text says what a yes does, unless --yes was said. Nobody to ask, or no yes, is exit code 3.
func (p *program) ask(c *cli.Context, format string, args ...any) error {
	if c.Bool("yes") {
		return nil
	}
	question := inbox.Printable(fmt.Sprintf(format, args...))
	if !p.inTerminal || !p.errTerminal {
		err := inbox.Errorf(inbox.Invalid, "", "%s There is nobody to ask", question).WithHint("say --yes (-y) to do it without being asked, or --dry-run to look first")
		return &exit{code: exitDeclined, err: err}
	}
	fmt.Fprintf(p.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(p.in).ReadString('\n')
	if word := strings.ToLower(strings.TrimSpace(answer)); err == nil && (word == "y" || word == "yes") {
		return nil
	}
	return &exit{code: exitDeclined, err: errors.New("nothing was changed")}
}
