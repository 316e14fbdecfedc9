package release

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"inbox/inbox"
	"inbox/inbox/wasm"
	"inbox/sdk/abi"
)

// Agreement is the manifest that results from a module's section and the operator's NAME.toml.
type Agreement struct {
	Manifest    inbox.Manifest     // the effective manifest, with defaults
	Permissions []inbox.Permission // every key of the section and the file, sorted by name
}

// Agree merges the section inbox.manifest of a module, which asks, with the operator's NAME.toml, which grants. text is that
// file, empty when the plugin has none; parallel is the default of concurrency. A key of the file decides. For a key that the
// file does not set, the section gives the plugin's default, unless it is more than any plugin has without a file. The error is
// Invalid. A missing grant is not an error here, see [Agreement.Err].
func Agree(plugin string, wasm, text []byte, parallel int) (*Agreement, error) {
	section, err := Asks(wasm)
	if err != nil {
		return nil, err
	}
	return AgreeWith(plugin, section, text, parallel)
}

// Asks returns a module's section inbox.manifest, nil when it has none.
func Asks(file []byte) ([]byte, error) { return wasm.Custom(file, abi.ManifestSection, MaxManifest) }

// AgreeWith is Agree with the section of a module, as returned by [Asks], in place of the module.
func AgreeWith(plugin string, section, text []byte, parallel int) (*Agreement, error) {
	asks, asking, err := parseManifest(section)
	if err != nil {
		return nil, fmt.Errorf("its section %s: %w", abi.ManifestSection, err)
	}
	grants, granting, err := parseManifest(text)
	if err != nil {
		return nil, fmt.Errorf("%s.toml: %w", plugin, err)
	}
	if err := checkSecrets(plugin, &asks.HTTP, &grants.HTTP); err != nil {
		return nil, err
	}
	asked, granted := asking.literals(), granting.literals()
	a := &Agreement{Manifest: mergeManifests(asks, grants, granted, parallel)}
	a.Manifest.Plugin = plugin
	more := missingGrants(&asks, &grants, asked, granted)
	both := maps.Clone(asked)
	maps.Copy(both, granted)
	for _, key := range slices.Sorted(maps.Keys(both)) {
		t := inbox.Permission{Key: key, Asks: asked[key], Grants: granted[key], Missing: more[key]}
		if t.Missing {
			t.How = grantHint(key, t.Asks)
		}
		a.Permissions = append(a.Permissions, t)
	}
	return a, nil
}

// Err returns an error that lists the missing grants and how to grant them. It returns nil when none is missing. The error is
// Invalid.
func (a *Agreement) Err(plugin string) error {
	var missing, lines []string
	for _, t := range a.Permissions {
		if !t.Missing {
			continue
		}
		has := "does not set it, and the default is less"
		if t.Grants != "" {
			has = "grants " + t.Grants
		}
		missing = append(missing, fmt.Sprintf("%s = %s (%s.toml %s)", t.Key, t.Asks, plugin, has))
		lines = append(lines, t.How)
	}
	if missing == nil {
		return nil
	}
	return inbox.Errorf(inbox.Invalid, "", "it asks for more than it is granted: %s", strings.Join(missing, ", ")).
		WithHint("to grant it write into " + plugin + ".toml beside it: " + strings.Join(lines, "; "))
}

// mergeManifests returns the effective manifest, provided that no grant is missing.
func mergeManifests(asks, grants inbox.Manifest, granted map[string]string, parallel int) inbox.Manifest {
	m := grants // with Emit, which only the operator grants
	m.Events, m.EventTypes = firstNonEmpty(grants.Events, asks.Events), firstNonEmpty(grants.EventTypes, asks.EventTypes)
	m.Sources, m.Modes, m.Where = firstNonEmpty(grants.Sources, asks.Sources), firstNonEmpty(grants.Modes, asks.Modes), firstNonEmpty(grants.Where, asks.Where)
	setDefault(&m.KeyBy, asks.KeyBy)
	setDefault(&m.Order, asks.Order)
	setDefault(&m.Reuse, asks.Reuse)
	setDefault(&m.Policy.MaxAttempts, asks.Policy.MaxAttempts)
	setDefault(&m.Policy.OnFailure, asks.Policy.OnFailure)
	if granted["retry.base"] == "" && granted["retry.max"] == "" { // each bounds the other
		m.Policy.Base, m.Policy.Max = asks.Policy.Base, asks.Policy.Max
	}
	setDefault(&m.HTTP.Policy.MaxAttempts, asks.HTTP.Policy.MaxAttempts)
	setDefault(&m.HTTP.Policy.OnFailure, asks.HTTP.Policy.OnFailure)
	if granted["http.retry.base"] == "" && granted["http.retry.max"] == "" {
		m.HTTP.Policy.Base, m.HTTP.Policy.Max = asks.HTTP.Policy.Base, asks.HTTP.Policy.Max
	}
	if asks.Concurrency > 0 {
		setDefault(&m.Concurrency, min(asks.Concurrency, max(parallel, 1))) // the machine decides the number, not the plugin
	}
	setDefault(&m.Limits.Time, asks.Limits.Time)
	setDefault(&m.Limits.Memory, asks.Limits.Memory)
	setDefault(&m.Limits.Output, asks.Limits.Output)
	setDefault(&m.Limits.Log, asks.Limits.Log)
	setDefault(&m.Limits.Fuel, asks.Limits.Fuel)
	setDefault(&m.Limits.KV, asks.Limits.KV)
	setDefault(&m.StateVersion, asks.StateVersion)
	setDefault(&m.Data.InlineMax, asks.Data.InlineMax)
	if m.Data.Fields == nil {
		m.Data.Fields = asks.Data.Fields
	}
	for key, value := range asks.Config {
		if _, set := m.Config[key]; !set {
			m.Config = maps.Clone(m.Config)
			if m.Config == nil {
				m.Config = map[string]string{}
			}
			m.Config[key] = value
		}
	}
	return m.WithDefaults(parallel)
}

// missingGrants returns the keys that ask for more than the file grants. For a key that the file does not set, it compares with
// the default of all plugins. A filter needs no grant, unless it uses a value that the plugin may not see.
func missingGrants(asks, grants *inbox.Manifest, asked, granted map[string]string) map[string]bool {
	has := grants.WithDefaults(1)
	more := map[string]bool{
		"limits.time":     asks.Limits.Time > has.Limits.Time,
		"limits.memory":   asks.Limits.Memory > has.Limits.Memory,
		"limits.output":   asks.Limits.Output > has.Limits.Output,
		"limits.log":      asks.Limits.Log > has.Limits.Log,
		"limits.fuel":     has.Limits.Fuel > 0 && asks.Limits.Fuel > has.Limits.Fuel,
		"limits.kv":       asks.Limits.KV > has.Limits.KV,
		"data.inline_max": asks.Data.InlineMax > has.Data.InlineMax,
		"data.fields":     has.Data.Fields != nil && !within(asks.Data.Fields, has.Data.Fields),
		"emit":            !covers(grants.Emit, asks.Emit),
		// Unknown events, emitted events and past events are delivered only to plugins that were granted them.
		"events":     granted["events"] == "" && slices.ContainsFunc(asks.Events, needsGrant),
		"start_from": asked["start_from"] != "" && granted["start_from"] == "" && asks.StartFrom != (inbox.StartFrom{}),
		// Retries without a limit use disk and processor without a limit, and the verification waits as long.
		"on_failure": asks.Policy.OnFailure == inbox.Block && granted["on_failure"] == "",
		// The interpreter takes many times the processor time. A plugin that asks for it does not work without it.
		"engine": asks.Engine == inbox.Interpreter && granted["engine"] == "",
	}
	addHidden(more, asks, grants, has)
	missingHTTP(more, &asks.HTTP, &grants.HTTP)
	return more
}

// addHidden adds the conditions and the lane rule of the module that use values of the body which the plugin does not see. The
// events that a plugin gets tell it about such values, if the plugin may choose the condition.
func addHidden(more map[string]bool, asks, grants *inbox.Manifest, has inbox.Manifest) {
	hidden := func(pointer string) bool {
		return has.Data.Fields != nil && !within([]string{pointer}, has.Data.Fields)
	}
	if grants.Where == nil {
		for _, c := range asks.Where {
			more["where."+c.Pointer] = hidden(c.Pointer)
		}
	}
	if pointer, is := asks.KeyBy.Pointer(); is && grants.KeyBy == "" {
		more["key_by"] = hidden(pointer)
	}
}

// needsGrant reports whether a name or pattern matches events that a plugin gets only if it asks for them by name.
func needsGrant(pattern string) bool {
	return inbox.AsksForUnknown(pattern) || inbox.AsksForEmitted(pattern)
}

// within reports whether every pointer is at or below a granted pointer.
func within(asked, granted []string) bool {
	return !slices.ContainsFunc(asked, func(a string) bool {
		return !slices.ContainsFunc(granted, func(g string) bool { return a == g || strings.HasPrefix(a, g+"/") })
	})
}

// covers reports whether every name and pattern that is asked for matches only names that a granted one matches.
func covers(granted, asked []string) bool {
	return !slices.ContainsFunc(asked, func(a string) bool {
		return !slices.ContainsFunc(granted, func(g string) bool { return inbox.Match(g, a) })
	})
}

// narrowingKeys returns the keys of a manifest that limit the data that its plugin sees.
func narrowingKeys(text []byte) []string {
	_, o, err := parseManifest(text)
	if err != nil {
		return nil
	}
	var keys []string
	for key := range o.values {
		switch table, _, _ := strings.Cut(key, "."); table {
		case "data", "where", "events", "event_types", "sources", "modes":
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func firstNonEmpty[T any](first, second []T) []T {
	if len(first) > 0 {
		return first
	}
	return second
}

func setDefault[T comparable](v *T, other T) {
	var zero T
	if *v == zero {
		*v = other
	}
}

// grantHint returns where to write a value to grant it.
func grantHint(key, value string) string {
	table, name, nested := strings.Cut(key, ".")
	if !nested {
		return "above its first table, " + key + " = " + value
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !bareKeyRune(r) }) {
		name = fmt.Sprintf("%q", name)
	}
	return "under [" + table + "], " + name + " = " + value
}

// bareKeyRune reports whether a TOML key may contain the rune without quotes.
func bareKeyRune(r rune) bool {
	return r == '_' || r == '-' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z')
}
