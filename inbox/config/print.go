package config

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"inbox/inbox"
)

// Example is an inbox.toml that changes nothing: it contains every setting, commented out, with its default.
//
//go:embed example.toml
var Example string

// TOML returns the settings in force as an inbox.toml with the same effect. Comments name the origin of each value. It contains no
// secret.
func (s *Settings) TOML() string {
	var b strings.Builder
	if s.File != "" {
		fmt.Fprintf(&b, "# read: %s\n", s.File)
	}
	section := ""
	for _, setting := range All() {
		key := setting.Key
		if outer, inner, ok := strings.Cut(key, "."); ok {
			if outer != section {
				section = outer
				fmt.Fprintf(&b, "\n[%s]\n", outer)
			}
			key = inner
		}
		fmt.Fprintf(&b, "%s = %s # %s\n", key, quote(setting.get(s)), s.origin[setting.Key])
	}
	for i := range s.Sources {
		s.Sources[i].write(&b)
	}
	return b.String()
}

func (s *Source) write(b *strings.Builder) {
	dedup := "on"
	if s.NoDedup {
		dedup = "off"
	}
	fmt.Fprintf(b, "\n[[source]]\nname = %s\npath = %s\nmode = %s\n", quote(s.Name), quote(s.Path), quote(string(s.Mode)))
	for _, p := range s.Secrets.Places() {
		state := "set"
		if p.Err != nil {
			state = "not set: " + p.Err.Error()
		}
		fmt.Fprintf(b, "# secret %s is %s\n", p.Name, state)
	}
	var secrets []string
	for _, p := range s.Secrets.Places() {
		secrets = append(secrets, quote(p.Name)+" = "+quote(p.From))
	}
	if len(secrets) > 0 {
		fmt.Fprintf(b, "secrets = { %s }\n", strings.Join(secrets, ", "))
	}
	fmt.Fprintf(b, "header = %s\nalgorithm = %s\nkey = %s\nmax_body = %s\ndedup = %s\n", quote(s.Header), quote(string(s.Algorithm)),
		quote(string(s.KeyBy)), quote(sizeText(s.MaxBody)), quote(dedup))
	for _, m := range s.Maps {
		b.WriteString("\n[[source.map]]\n")
		for _, kv := range [][2]string{
			{"event", m.Event}, {"key", m.Key}, {"status", m.Status}, {"state", m.State}, {"customer_reference", m.CustomerReference},
		} {
			if kv[1] != "" {
				fmt.Fprintf(b, "%s = %s\n", kv[0], quote(kv[1]))
			}
		}
	}
}

// quote returns a TOML basic string. TOML knows all escapes of JSON, but not all of Go.
func quote(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string cannot fail
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", "\\u007f")
}

// Value is a setting in force, for output as JSON.
type Value struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	From  string `json:"from"` // flag, environment, file or default
}

// Values returns the settings in force, without the sources.
func (s *Settings) Values() []Value {
	var list []Value
	for _, setting := range All() {
		list = append(list, Value{Key: setting.Key, Value: setting.get(s), From: s.origin[setting.Key]})
	}
	return list
}

// Markdown returns the table of all settings in docs/OPERATIONS.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| inbox.toml | flag of `inbox serve` | environment | default | meaning |\n|---|---|---|---|---|\n")
	for _, setting := range All() {
		value := "–"
		if setting.Default != "" {
			value = "`" + setting.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `--%s` | `%s` | %s | %s |\n", setting.Key, setting.Flag, setting.Env, value, setting.Usage)
	}
	return b.String()
}

// Verify verifies a refused request again, with the current secrets of its source. It returns the arrival if the request passes,
// else the reason in why.
func (s *Settings) Verify(r *inbox.Refused) (a *inbox.Arrival, why string, err error) {
	src := s.Source(r.Source)
	if src == nil {
		return nil, "no_source", nil
	}
	return src.Intake().Verify(r.Payload.Body, r.Payload.Headers, inbox.FromRecheck, r.LastAt, r.ReceivedAt)
}

// Explain returns in words why the signature of a request does not pass, or an empty string when it passes. The words do not
// contain the right signature.
func (s *Settings) Explain(r *inbox.Refused) string {
	src := s.Source(r.Source)
	if src == nil {
		return "source " + r.Source + " is no longer configured"
	}
	source := src.Intake()
	return source.Explain(r.Payload.Body, source.Signature(r.Payload.Headers))
}
