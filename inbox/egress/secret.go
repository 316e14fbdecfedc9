package egress

import (
	"log/slog"
	"maps"
	"slices"
	"strings"

	"inbox/inbox"
)

// Secret is one of the operator's secrets as it was granted to a plugin, with the origins that it may be sent to. In NAME.toml:
//
//	[secrets]
//	crm_token = { from = "env:CRM_TOKEN", origins = ["https://api.example.com"] }
//
// Printed, logged or encoded in whatever way, it shows its name and never its value. The value is in a closure, because fmt
// reaches unexported fields by reflection, and follows a pointer where a verb does not fit.
type Secret struct {
	Name    string
	origins []Origin
	value   func() string // nil in the zero value
}

// NewSecret returns a secret that may be sent to the given origins, and to no others.
func NewSecret(name, value string, origins []Origin) Secret {
	return Secret{Name: name, origins: slices.Clone(origins), value: func() string { return value }}
}

// GrantedFor reports whether the secret may be sent to an origin.
func (s Secret) GrantedFor(o Origin) bool { return slices.Contains(s.origins, o) }

// String returns the name in brackets.
func (s Secret) String() string { return "[secret " + s.Name + "]" }

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for JSON and other encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Secret) reveal() string {
	if s.value == nil {
		return ""
	}
	return s.value()
}

// secret returns a secret that may be sent to an origin. The error names it and is Forbidden (ErrSecret).
func (c *Client) secret(name string, to Origin) (Secret, error) {
	var s Secret
	known := false
	if c.opt.Secret != nil {
		s, known = c.opt.Secret(name)
	}
	switch {
	case !known:
		return Secret{}, inbox.Errorf(inbox.Forbidden, "", "%w: %s is not granted to this plugin", ErrSecret, name).WithHint(
			"name it in the table [secrets] of the plugin's NAME.toml")
	case !s.GrantedFor(to):
		return Secret{}, inbox.Errorf(inbox.Forbidden, "", "%w: %s is not granted for %s", ErrSecret, name, to).WithHint(
			"add the origin to the secret's origins in the plugin's NAME.toml")
	case s.reveal() == "":
		return Secret{}, inbox.Errorf(inbox.Unavailable, "", "%w: secret %s is empty now", ErrSecret, name).WithHint("look at the file or variable that it is from")
	}
	s.Name = name
	return s, nil
}

// addSecrets expands the templates of a request, in the order of their names.
func (c *Client) addSecrets(x *exchange, templates map[string]string) error {
	size := 0
	for _, given := range slices.Sorted(maps.Keys(templates)) {
		name, err := headerName(given)
		if err != nil {
			return err
		}
		twice := slices.ContainsFunc(x.secret, func(h secretHeader) bool { return h.name == name })
		if _, set := x.header[name]; set || twice {
			return inbox.Errorf(inbox.Invalid, "", "header %s occurs twice", name)
		}
		h, err := c.expand(name, templates[given], x.origin)
		if err != nil {
			return err
		}
		x.addSecret(h)
		size += len(name) + len(h.value())
	}
	return boundHeaders(len(templates), size)
}

// addSecret adds a header with a secret in it.
func (x *exchange) addSecret(h secretHeader) {
	x.secret = append(x.secret, h)
	x.known = append(x.known, h.secrets...)
}

// expand replaces {{secret.NAME}} in a template. No error shows the template, which may hold what should be secret.
func (c *Client) expand(header, template string, to Origin) (secretHeader, error) {
	h := secretHeader{name: header}
	var b strings.Builder
	for rest := template; ; {
		before, after, found := strings.Cut(rest, "{{")
		b.WriteString(before)
		if !found {
			break
		}
		inside, next, closed := strings.Cut(after, "}}")
		name, named := strings.CutPrefix(inside, "secret.")
		if !closed || !named || !secretName(name) {
			return h, inbox.Errorf(inbox.Invalid, "", "secrets: header %s: {{ must begin a placeholder such as {{secret.NAME}}", header)
		}
		s, err := c.secret(name, to)
		if err != nil {
			return h, err
		}
		if !validValue(s.reveal()) {
			return h, inbox.Errorf(inbox.Invalid, "", "secret %s has a character that no header may have", name).WithHint(
				"look for line breaks in the file or variable that it is from")
		}
		b.WriteString(s.reveal())
		h.secrets = append(h.secrets, s)
		rest = next
	}
	h.value = b.String
	switch {
	case len(h.secrets) == 0:
		return h, inbox.Errorf(inbox.Invalid, "", "secrets: header %s has no {{secret.NAME}}", header).WithHint("put it into headers")
	case !validValue(template):
		return h, inbox.Errorf(inbox.Invalid, "", "secrets: header %s has a line break or another control character", header)
	}
	return h, nil
}

// secretName reports whether a placeholder has a name: 1 to 64 letters, digits, hyphens, dots and underscores.
func secretName(name string) bool {
	other := func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	return name != "" && len(name) <= 64 && strings.IndexFunc(name, other) < 0
}
