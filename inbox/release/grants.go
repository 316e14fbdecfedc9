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

// Agreement is what a module asks for and what it is granted, taken together.
type Agreement struct {
	Manifest    inbox.Manifest     // what is in force, with defaults
	Permissions []inbox.Permission // every key that one of them has, in the order of their names
}

// Agree takes what a module asks for and what the operator's NAME.toml grants together: text is that file, empty when
// the plugin has none; parallel is the default of concurrency. A key of the file decides. Where the file is silent, the section
// gives the plugin's own default, unless it is more than any plugin has without a file. The error is Invalid. A missing grant
// is no error here, see [Agreement.Err].
func Agree(plugin string, wasm, text []byte, parallel int) (*Agreement, error) {
	section, err := Asks(wasm)
	if err != nil {
		return nil, err
	}
	return AgreeWith(plugin, section, text, parallel)
}

// Asks returns a module's section inbox.manifest, nil when it has none.
func Asks(file []byte) ([]byte, error) { return wasm.Custom(file, abi.ManifestSection, MaxManifest) }

// AgreeWith is Agree with the section of a module, as by [Asks], in place of the module.
func AgreeWith(plugin string, section, text []byte, parallel int) (*Agreement, error) {
	asks, asking, err := parseManifest(section)
	if err != nil {
		return nil, fmt.Errorf("its section %s: %w", abi.ManifestSection, err)
	}
	grants, granting, err := parseManifest(text)
	if err != nil {
		return nil, fmt.Errorf("%s.toml: %w", plugin, err)
	}
	asked, granted := asking.literals(), granting.literals()
	a := &Agreement{Manifest: together(asks, grants, granted, parallel)}
	more := beyond(&asks, &grants, asked, granted)
	both := maps.Clone(asked)
	maps.Copy(both, granted)
	for _, key := range slices.Sorted(maps.Keys(both)) {
		t := inbox.Permission{Key: key, Asks: asked[key], Grants: granted[key], Missing: more[key]}
		if t.Missing {
			t.How = how(key, t.Asks)
		}
		a.Permissions = append(a.Permissions, t)
	}
	return a, nil
}

// Err says what is asked for and not granted, and how to grant it; nil when nothing is missing. The error is Invalid.
func (a *Agreement) Err(plugin string) error {
	var missing, lines []string
	for _, t := range a.Permissions {
		if !t.Missing {
			continue
		}
		has := "says nothing of it, and the default is less"
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

// together is what is in force, provided that nothing is missing.
func together(asks, grants inbox.Manifest, granted map[string]string, parallel int) inbox.Manifest {
	m := grants
	m.Events, m.EventTypes = either(grants.Events, asks.Events), either(grants.EventTypes, asks.EventTypes)
	m.Sources, m.Modes, m.Where = either(grants.Sources, asks.Sources), either(grants.Modes, asks.Modes), either(grants.Where, asks.Where)
	fill(&m.KeyBy, asks.KeyBy)
	fill(&m.Order, asks.Order)
	fill(&m.Reuse, asks.Reuse)
	fill(&m.Policy.MaxAttempts, asks.Policy.MaxAttempts)
	fill(&m.Policy.OnFailure, asks.Policy.OnFailure)
	if granted["retry.base"] == "" && granted["retry.max"] == "" { // each bounds the other
		m.Policy.Base, m.Policy.Max = asks.Policy.Base, asks.Policy.Max
	}
	if asks.Concurrency > 0 {
		fill(&m.Concurrency, min(asks.Concurrency, max(parallel, 1))) // how many is the machine's to say, not the plugin's
	}
	fill(&m.Limits.Time, asks.Limits.Time)
	fill(&m.Limits.Memory, asks.Limits.Memory)
	fill(&m.Limits.Output, asks.Limits.Output)
	fill(&m.Limits.Log, asks.Limits.Log)
	fill(&m.Limits.Fuel, asks.Limits.Fuel)
	fill(&m.Limits.KV, asks.Limits.KV)
	fill(&m.StateVersion, asks.StateVersion)
	fill(&m.Data.InlineMax, asks.Data.InlineMax)
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

// beyond returns the keys that ask for more than is granted, or, where the file is silent, for more than any plugin has.
// Filters do not, unless they look at what the plugin may not see: the operator narrows which events it gets.
func beyond(asks, grants *inbox.Manifest, asked, granted map[string]string) map[string]bool {
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
		// Unknown and emitted events, and events of the past, are delivered only to plugins that were granted them.
		"events":     granted["events"] == "" && slices.ContainsFunc(asks.Events, special),
		"start_from": asked["start_from"] != "" && granted["start_from"] == "" && asks.StartFrom != (inbox.StartFrom{}),
		// Retries without an end use disk and processor without an end, and the verification waits as long.
		"on_failure": asks.Policy.OnFailure == inbox.Block && granted["on_failure"] == "",
		// The interpreter takes many times the processor time. A plugin that asks for it does not work without it.
		"engine": asks.Engine == inbox.Interpreter && granted["engine"] == "",
	}
	addHidden(more, asks, grants, has)
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

// special reports whether a name or pattern lets through events that must be asked for by name.
func special(pattern string) bool {
	return inbox.AsksForUnknown(pattern) || inbox.AsksForEmitted(pattern)
}

// within reports whether every pointer names something at or below one of those granted.
func within(asked, granted []string) bool {
	return !slices.ContainsFunc(asked, func(a string) bool {
		return !slices.ContainsFunc(granted, func(g string) bool { return a == g || strings.HasPrefix(a, g+"/") })
	})
}

// narrows returns the keys of a manifest that narrow what its plugin is shown.
func narrows(text []byte) []string {
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

func either[T any](first, second []T) []T {
	if len(first) > 0 {
		return first
	}
	return second
}

func fill[T comparable](v *T, other T) {
	var zero T
	if *v == zero {
		*v = other
	}
}

// how says where to write a value to grant it.
func how(key, value string) string {
	table, name, nested := strings.Cut(key, ".")
	if !nested {
		return "above its first table, " + key + " = " + value
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !bare(r) }) {
		name = fmt.Sprintf("%q", name)
	}
	return "under [" + table + "], " + name + " = " + value
}

// bare reports whether a key of TOML may have the letter without quotes.
func bare(r rune) bool {
	return r == '_' || r == '-' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z')
}
