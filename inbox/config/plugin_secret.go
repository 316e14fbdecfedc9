package config

import (
	"errors"
	"strings"

	"inbox/inbox"
)

// PluginSecret reads a secret of a plugin from its place, "env:NAME" or "file:PATH", as it is now. Line ends at its end are not part of
// it. The error for a place without a secret holds no part of what is there.
func PluginSecret(place string, getenv func(string) string) (string, error) {
	kind, rest, _ := strings.Cut(place, ":")
	var text string
	switch kind {
	case "env":
		text = getenv(rest)
	case "file":
		raw, err := readBounded(rest)
		if err != nil {
			return "", cause(err)
		}
		if text, err = inbox.FileText(raw); err != nil {
			return "", err
		}
	default:
		return "", errors.New("its place is neither env:NAME nor file:PATH")
	}
	if text = strings.TrimRight(text, "\r\n"); text == "" {
		return "", errors.New("it is empty")
	}
	return text, nil
}
