package console

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"inbox/inbox"
)

// Ask asks a question whose text says what a yes does, unless yes was said before, with --yes. Nobody to ask, or no yes, is exit code 3.
func (c *Console) Ask(yes bool, format string, args ...any) error {
	if yes {
		return nil
	}
	question := inbox.Printable(fmt.Sprintf(format, args...))
	if !c.InTerminal || !c.ErrTerminal {
		err := inbox.Errorf(inbox.Invalid, "", "%s There is nobody to ask", question).WithHint("say --yes (-y) to do it without being asked, or --dry-run to look first")
		return &ExitError{Code: ExitDeclined, Err: err}
	}
	fmt.Fprintf(c.Err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(c.In).ReadString('\n')
	if word := strings.ToLower(strings.TrimSpace(answer)); err == nil && (word == "y" || word == "yes") {
		return nil
	}
	return &ExitError{Code: ExitDeclined, Err: errors.New("nothing was changed")}
}
