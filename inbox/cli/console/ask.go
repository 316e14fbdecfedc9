package console

import (
	"bufio"
	"errors"
	"fmt"
	"slices"
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

// Choose asks a question and returns the answer, which is one of choices. After any other answer, or without a terminal, it returns an
// error with exit code ExitDeclined. The hint says how to answer without a question.
func (c *Console) Choose(choices []string, hint, format string, args ...any) (string, error) {
	question := inbox.Printable(fmt.Sprintf(format, args...))
	if !c.InTerminal || !c.ErrTerminal {
		err := inbox.Errorf(inbox.Invalid, "", "%s There is no terminal to ask on", question).WithHint(hint)
		return "", &ExitError{Code: ExitDeclined, Err: err}
	}
	fmt.Fprintf(c.Err, "%s [%s] ", question, strings.Join(choices, "/"))
	answer, err := bufio.NewReader(c.In).ReadString('\n')
	if word := strings.ToLower(strings.TrimSpace(answer)); err == nil && slices.Contains(choices, word) {
		return word, nil
	}
	return "", &ExitError{Code: ExitDeclined, Err: errors.New("nothing was changed")}
}
