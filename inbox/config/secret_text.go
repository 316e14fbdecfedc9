package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"inbox/inbox"
)

// assignment is how an environment file or a shell sets a variable.
var assignment = regexp.MustCompile(`^(export[ \t]+)?([A-Z][A-Z0-9_]{2,})[ \t]*=[ \t]*[^=\s]`)

// secretText returns the secret that a file or variable holds, without the newline that editors and echo put at its end.
// The error says what is there in place of a secret. The note says what looks like a mistake; it is used all the same,
// because nobody but QoreID knows what its secrets look like. Neither holds a part of the secret.
func secretText(text string) (secret, note string, err error) {
	text = strings.TrimPrefix(strings.TrimRight(text, "\r\n"), "\ufeff")
	inner := strings.TrimSpace(text)
	switch {
	case text == "":
		return "", "", errors.New("it is empty")
	case inner == "":
		return "", "", errors.New("it is blank: only spaces or newlines are in it")
	case placeholder(inner):
		return "", "", errors.New("it is a placeholder: put the Webhook Secret Key of QoreID's dashboard in its place")
	case strings.ContainsAny(text, "\r\n"):
		return "", "", fmt.Errorf("it has %d lines: it must hold one secret and nothing else; name a second secret as a place of its own",
			len(slices.Collect(strings.Lines(text))))
	}
	if m := assignment.FindStringSubmatch(inner); m != nil {
		return "", "", fmt.Errorf("it has a name and = before the secret (%s%s=): it must hold the secret alone", m[1], m[2])
	}
	return text, oddities(text), nil
}

// placeholder reports whether a text was copied from an instruction. Only what cannot be a secret counts.
func placeholder(text string) bool {
	text = strings.Trim(text, "\"'")
	if strings.Trim(text, ".…* ") == "" {
		return true
	}
	if strings.HasPrefix(text, "<") && strings.HasSuffix(text, ">") {
		return true
	}
	switch inbox.Fold(text) {
	case "paste_it_here", "changeme", "change_me", "your_secret", "your_secret_here", "your_webhook_secret", "webhook_secret_key", "secret_key_here":
		return true
	}
	return false
}

// oddities names what hardly belongs to a secret.
func oddities(text string) string {
	const look = "; if signatures do not pass, take it away"
	hidden := strings.IndexFunc(text, func(r rune) bool { return r != ' ' && (unicode.IsSpace(r) || inbox.Unprintable(r)) })
	switch {
	case hidden >= 0:
		r := []rune(text[hidden:])[0]
		return fmt.Sprintf("it has an invisible character (U+%04X, byte %d)%s", r, hidden+1, look)
	case strings.TrimSpace(text) != text:
		return "it has a space at its beginning or end" + look
	case len(text) > 1 && strings.ContainsRune("\"'`“‘«", []rune(text)[0]) && strings.ContainsRune("\"'`”’»", lastRune(text)):
		return "it has quotation marks around it" + look
	}
	return ""
}

func lastRune(text string) rune {
	r := []rune(text)
	return r[len(r)-1]
}
