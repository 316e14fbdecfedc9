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

// assignment matches a line of an environment file or a shell that sets a variable.
var assignment = regexp.MustCompile(`^(export[ \t]+)?([A-Z][A-Z0-9_]{2,})[ \t]*=[ \t]*[^=\s]`)

// secretText returns the secret in the text of a file or variable, without the newline that editors and echo append. The error
// names what the text is instead of a secret. The note names a likely mistake in the secret. Such a secret is used unchanged,
// because only QoreID knows the form of its secrets. Error and note contain no part of the secret.
func secretText(text string) (secret, note string, err error) {
	text = strings.TrimPrefix(strings.TrimRight(text, "\r\n"), "\ufeff")
	inner := strings.TrimSpace(text)
	switch {
	case text == "":
		return "", "", errors.New("it is empty")
	case inner == "":
		return "", "", errors.New("it is blank: it contains only spaces or newlines")
	case placeholder(inner):
		return "", "", errors.New("it is a placeholder: replace it by the Webhook Secret Key of QoreID's dashboard")
	case strings.ContainsAny(text, "\r\n"):
		return "", "", fmt.Errorf("it has %d lines, but must contain one secret and nothing else; put a second secret into its own place",
			len(slices.Collect(strings.Lines(text))))
	}
	if m := assignment.FindStringSubmatch(inner); m != nil {
		return "", "", fmt.Errorf("it has a name and = before the secret (%s%s=), but must contain only the secret", m[1], m[2])
	}
	return text, likelyMistake(text), nil
}

// placeholder reports whether a text was copied from instructions. It reports false for any text that may be a secret.
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

// likelyMistake describes a character that a secret is unlikely to contain, or returns an empty string.
func likelyMistake(text string) string {
	const look = "; if signatures do not pass, remove it"
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
