package release

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"inbox/inbox"
)

// file is NAME.toml as it is written.
type file struct {
	Events      []string       `toml:"events"`
	EventTypes  []string       `toml:"event_types"`
	Sources     []string       `toml:"sources"`
	Modes       []string       `toml:"modes"`
	Where       map[string]any `toml:"where"`
	KeyBy       string         `toml:"key_by"`
	Order       string         `toml:"order"`
	OnFailure   string         `toml:"on_failure"`
	Concurrency int            `toml:"concurrency"`
	Reuse       int            `toml:"reuse"`
	StartFrom   any            `toml:"start_from"`
	Config      map[string]any `toml:"config"`
	Retry       struct {
		MaxAttempts int    `toml:"max_attempts"`
		Base        string `toml:"base"`
		Max         string `toml:"max"`
	} `toml:"retry"`
	Limits struct {
		Time   string `toml:"time"`
		Memory any    `toml:"memory"`
		Output any    `toml:"output"`
		Log    any    `toml:"log"`
	} `toml:"limits"`
}

// laterKeys are keys of contract v1 that this version does not have. A plugin that needs them must not run without.
var laterKeys = []string{"http", "emit", "secrets", "data", "engine", "fuel"}

// ParseManifest reads NAME.toml. It reports everything that is wrong at once, with lines where the format gives them;
// the error is Invalid.
func ParseManifest(text []byte) (inbox.Manifest, error) {
	var f file
	dec := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return inbox.Manifest{}, explain(err)
	}
	p := parser{}
	m := inbox.Manifest{
		Events: f.Events, EventTypes: f.EventTypes, Sources: f.Sources,
		KeyBy: p.keyBy(f.KeyBy), Order: oneOf(&p, "order", f.Order, inbox.ByKey, inbox.Global, inbox.Unsorted),
		Concurrency: p.within("concurrency", f.Concurrency, 1, 64), Reuse: p.within("reuse", f.Reuse, 1, 1_000_000),
		StartFrom: p.startFrom(f.StartFrom), Where: p.where(f.Where), Config: p.config(f.Config),
		Policy: inbox.Policy{
			MaxAttempts: p.within("retry.max_attempts", f.Retry.MaxAttempts, 1, 1000),
			Base:        p.duration("retry.base", f.Retry.Base, 100*time.Millisecond, 24*time.Hour),
			Max:         p.duration("retry.max", f.Retry.Max, 100*time.Millisecond, 30*24*time.Hour),
			OnFailure:   oneOf(&p, "on_failure", f.OnFailure, inbox.Park, inbox.Continue, inbox.Block),
		},
		Limits: inbox.Limits{
			Time:   p.duration("limits.time", f.Limits.Time, time.Millisecond, 10*time.Minute),
			Memory: p.bytes("limits.memory", f.Limits.Memory, 64<<10, 4<<30),
			Output: p.bytes("limits.output", f.Limits.Output, 1, 64<<20),
			Log:    p.bytes("limits.log", f.Limits.Log, 0, 16<<20),
		},
	}
	for _, mode := range f.Modes {
		m.Modes = append(m.Modes, oneOf(&p, "modes", mode, inbox.Live, inbox.Test))
	}
	if m.Policy.Base > 0 && m.Policy.Max > 0 && m.Policy.Base > m.Policy.Max {
		p.wrong("retry.base", "is longer than retry.max")
	}
	return m, p.err()
}

// parser collects what is wrong.
type parser struct{ problems []string }

func (p *parser) wrong(key, format string, args ...any) {
	p.problems = append(p.problems, key+" "+fmt.Sprintf(format, args...))
}

func (p *parser) err() error {
	if len(p.problems) == 0 {
		return nil
	}
	slices.Sort(p.problems)
	return refuse("%s", strings.Join(p.problems, "; "))
}

func refuse(format string, args ...any) error {
	return inbox.Errorf(inbox.Invalid, "read the manifest", format, args...).WithHint("docs/PLUGIN-ABI.md lists the keys")
}

func (p *parser) within(key string, v, low, high int) int {
	if v != 0 && (v < low || v > high) {
		p.wrong(key, "is %d, not between %d and %d", v, low, high)
	}
	return v
}

func oneOf[T ~string](p *parser, key, v string, choices ...T) T {
	if v != "" && !slices.Contains(choices, T(v)) {
		p.wrong(key, "is %q, not one of %q", v, choices)
	}
	return T(v)
}

func (p *parser) duration(key, text string, low, high time.Duration) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < low || d > high {
		p.wrong(key, "is %q, not a duration between %s and %s such as \"30s\"", text, low, high)
	}
	return d
}

var sizePattern = regexp.MustCompile(`^([0-9]+) ?(|B|KiB|MiB|GiB|KB|MB|GB)$`)

// bytes reads a size: a number of bytes, or a text such as "64 MiB".
func (p *parser) bytes(key string, v any, low, high int64) int64 {
	var n int64
	switch v := v.(type) {
	case nil:
		return 0
	case int64:
		n = v
	case string:
		m := sizePattern.FindStringSubmatch(v)
		if m == nil {
			p.wrong(key, "is %q, not a size such as \"64 MiB\"", v)
			return 0
		}
		unit := map[string]int64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 1e3, "MB": 1e6, "GB": 1e9}[m[2]]
		if _, err := fmt.Sscan(m[1], &n); err != nil || n > high/unit {
			n = high/unit + 1
		}
		n *= unit
	default:
		p.wrong(key, "is neither a number nor a text")
		return 0
	}
	if n < low || n > high {
		p.wrong(key, "is %d bytes, not between %d and %d", n, low, high)
	}
	return n
}

func (p *parser) keyBy(v string) inbox.KeyBy {
	k := inbox.KeyBy(v)
	if ptr, ok := k.Pointer(); ok && !strings.HasPrefix(ptr, "/") {
		p.wrong("key_by", "is %q, not \"key\", \"customer_reference\" or a JSON pointer such as \"/data/id\"", v)
	}
	return k
}

func (p *parser) startFrom(v any) inbox.StartFrom {
	switch v := v.(type) {
	case nil:
		return inbox.StartFrom{}
	case int64:
		if v > 0 {
			return inbox.StartFrom{Seq: v}
		}
	case string:
		switch v {
		case "now":
			return inbox.StartFrom{}
		case "start":
			return inbox.StartFrom{Start: true}
		}
	}
	p.wrong("start_from", "is %v, not \"now\", \"start\" or a seq", v)
	return inbox.StartFrom{}
}

// where reads conditions: a JSON pointer to a value or a list of values.
func (p *parser) where(v map[string]any) []inbox.Condition {
	var list []inbox.Condition
	for pointer, want := range v {
		if !strings.HasPrefix(pointer, "/") {
			p.wrong("where", "has %q, which is not a JSON pointer such as \"/data/status/status\"", pointer)
		}
		values, ok := want.([]any)
		if !ok {
			values = []any{want}
		}
		c := inbox.Condition{Pointer: pointer}
		for _, x := range values {
			text, ok := scalar(x)
			if !ok {
				p.wrong("where", "%q is neither a text, a number, true nor false, nor a list of them", pointer)
			}
			c.Values = append(c.Values, text)
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b inbox.Condition) int { return strings.Compare(a.Pointer, b.Pointer) })
	return list
}

func (p *parser) config(v map[string]any) map[string]string {
	if len(v) == 0 {
		return nil
	}
	out := make(map[string]string, len(v))
	for key, x := range v {
		text, ok := scalar(x)
		if !ok {
			p.wrong("config."+key, "is neither a text, a number, true nor false")
		}
		out[key] = text
	}
	return out
}

func scalar(v any) (string, bool) {
	switch v.(type) {
	case string, int64, float64, bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

// explain turns an error of the TOML reader into one that names lines, and says which keys may be meant.
func explain(err error) error {
	var missing *toml.StrictMissingError
	var bad *toml.DecodeError
	switch {
	case errors.As(err, &missing):
		var problems []string
		for _, e := range missing.Errors {
			row, _ := e.Position()
			problems = append(problems, fmt.Sprintf("line %d: %s", row, unknownKey(strings.Join(e.Key(), "."))))
		}
		return refuse("%s", strings.Join(problems, "; "))
	case errors.As(err, &bad):
		row, _ := bad.Position()
		return refuse("line %d: %s", row, strings.TrimPrefix(bad.Error(), "toml: "))
	}
	return refuse("%w", err)
}

func unknownKey(key string) string {
	for _, part := range strings.Split(key, ".") {
		if slices.Contains(laterKeys, part) {
			return fmt.Sprintf("%q is not in this version of inbox", key)
		}
	}
	known := []string{
		"events", "event_types", "sources", "modes", "where", "key_by", "order", "on_failure", "concurrency", "reuse",
		"start_from", "config", "retry", "retry.max_attempts", "retry.base", "retry.max", "limits", "limits.time",
		"limits.memory", "limits.output", "limits.log",
	}
	if near := inbox.Nearest(key, known); near != "" {
		return fmt.Sprintf("unknown key %q; did you mean %q?", key, near)
	}
	return fmt.Sprintf("unknown key %q", key)
}
