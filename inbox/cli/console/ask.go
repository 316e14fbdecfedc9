package console

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"inbox/inbox"
)

// Ask asks a question and returns nil when the answer is yes. The question must describe the effect of a yes. If yes is true (--yes was
// given), Ask returns nil at once. After any other answer, or without a terminal, it returns an error with exit code ExitDeclined.
func (c *Console) Ask(yes bool, format string, args ...any) error {
	if yes {
		return nil
	}
	question := inbox.Printable(fmt.Sprintf(format, args...))
	if !c.InTerminal || !c.ErrTerminal {
		err := inbox.Errorf(inbox.Invalid, "", "%s There is no terminal to ask on", question).WithHint("add --yes (-y) to do it without a question, or --dry-run to look first")
		return &ExitError{Code: ExitDeclined, Err: err}
	}
	fmt.Fprintf(c.Err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(c.In).ReadString('\n')
	if word := strings.ToLower(strings.TrimSpace(answer)); err == nil && (word == "y" || word == "yes") {
		return nil
	}
	return &ExitError{Code: ExitDeclined, Err: errors.New("nothing was changed")}
}
