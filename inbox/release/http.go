package release

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"inbox/inbox"
	"inbox/inbox/egress"
)

// policy reads a table retry, at prefix, and the key on_failure beside it.
func (p *parser) policy(prefix string, r *retry, onFailure *string, choices ...inbox.OnFailure) inbox.Policy {
	out := inbox.Policy{
		MaxAttempts: p.within(prefix+"retry.max_attempts", r.MaxAttempts, 1, 1000),
		Base:        p.duration(prefix+"retry.base", r.Base, 100*time.Millisecond, 24*time.Hour),
		Max:         p.duration(prefix+"retry.max", r.Max, 100*time.Millisecond, 30*24*time.Hour),
		OnFailure:   oneOf(p, prefix+"on_failure", onFailure, choices...),
	}
	if d := (inbox.Manifest{Policy: out}).WithDefaults(1).Policy; d.Base > d.Max {
		key := prefix + "retry.base"
		if r.Base == nil {
			key = prefix + "retry.max"
		}
		p.wrong(key, "makes the first wait, %s, longer than the longest, %s", d.Base, d.Max)
	}
	return out
}

// Bounds of the tables http and secrets.
const (
	maxOrigins = 100
	maxSecrets = 50
)

// http reads the tables http and secrets.
func (p *parser) http(f *file) inbox.HTTP {
	h := inbox.HTTP{
		Allow: p.origins("http.allow", f.HTTP.Allow, false), Private: p.origins("http.private", f.HTTP.Private, true),
		Redirects: f.HTTP.Redirects, Policy: p.policy("http.", &f.HTTP.Retry, f.HTTP.OnFailure, inbox.Park, inbox.Continue),
	}
	if f.HTTP.CA != nil {
		if h.CA = *f.HTTP.CA; !filepath.IsAbs(h.CA) {
			p.wrong("http.ca", "is %q, not the whole path of a file", h.CA)
		}
	}
	if len(f.Secrets) > maxSecrets {
		p.wrong("secrets", "has %d secrets, more than %d", len(f.Secrets), maxSecrets)
		return h
	}
	for _, name := range slices.Sorted(maps.Keys(f.Secrets)) {
		s, key := f.Secrets[name], "secrets."+name
		if !secretName.MatchString(name) {
			p.wrong(key, "has a name that is not 1 to 64 letters, digits, dots, hyphens and underscores")
		}
		grant := inbox.SecretGrant{Name: name, Origins: p.origins(key, s.Origins, true)}
		if s.Value != nil {
			grant.Value = *s.Value
			if kind, rest, _ := strings.Cut(grant.Value, ":"); rest == "" || kind != "env" && (kind != "file" || !filepath.IsAbs(rest)) {
				p.wrong(key, "has a value that is not \"env:NAME\" or \"file:/PATH\"; do not write a secret into the file")
				grant.Value = ""
			}
		}
		if len(grant.Origins) == 0 {
			p.wrong(key, "has no origins: name those that it may be sent to")
		}
		h.Secrets = append(h.Secrets, grant)
	}
	return h
}

var secretName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// origins reads a list of origins, and returns each in its one spelling. private says that they may have private addresses.
func (p *parser) origins(key string, list *[]string, private bool) (out []string) {
	if list == nil {
		return nil
	}
	if len(*list) > maxOrigins {
		p.wrong(key, "has %d origins, more than %d", len(*list), maxOrigins)
		return nil
	}
	for _, text := range *list {
		allow, own := []string{text}, []string(nil)
		if private {
			allow, own = nil, allow
		}
		g, err := egress.ParseGrant(allow, own)
		if err != nil {
			hint := inbox.HintOf(err)
			if hint != "" {
				hint = "; " + hint
			}
			p.wrong(key, "has an origin that cannot be granted: %v%s", err, hint)
			continue
		}
		for _, o := range slices.Concat(g.Allow, g.Private) {
			out = append(out, o.String())
		}
	}
	return out
}

// missingHTTP adds what a module's section asks for beyond the grants of the file: origins, redirects and secrets. No module can
// grant itself a request.
func missingHTTP(more map[string]bool, asks, grants *inbox.HTTP) {
	granted := slices.Concat(grants.Allow, grants.Private)
	beyond := func(asked, granted []string) bool {
		return slices.ContainsFunc(asked, func(o string) bool { return !slices.Contains(granted, o) })
	}
	more["http.allow"] = beyond(asks.Allow, granted)
	more["http.private"] = beyond(asks.Private, grants.Private)
	more["http.redirects"] = asks.Redirects && !grants.Redirects
	more["http.ca"] = asks.CA != "" && grants.CA == ""
	for _, s := range asks.Secrets {
		i := slices.IndexFunc(grants.Secrets, func(g inbox.SecretGrant) bool { return g.Name == s.Name })
		more["secrets."+s.Name+".origins"] = i < 0 || beyond(s.Origins, grants.Secrets[i].Origins)
	}
}

// checkSecrets returns an error for a secret of NAME.toml without a place, and for one of a module's section with a place: only the
// operator says where a secret is.
func checkSecrets(plugin string, asks, grants *inbox.HTTP) error {
	for _, s := range grants.Secrets {
		if s.Value == "" {
			return inbox.Errorf(inbox.Invalid, "", "%s.toml: secrets.%s has no value", plugin, s.Name).WithHint(`add value = "env:NAME" or value = "file:/PATH"`)
		}
	}
	for _, s := range asks.Secrets {
		if s.Value != "" {
			return inbox.Errorf(inbox.Invalid, "", "the module's section says where the secret %s is; only the operator's %s.toml may", s.Name, plugin)
		}
	}
	return nil
}
