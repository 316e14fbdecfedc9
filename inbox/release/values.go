package release

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"inbox/inbox"
)

// parser collects what is wrong with a manifest.
type parser struct {
	lines    map[string]int // of every key, by its dotted path
	problems []problem
}

type problem struct {
	line int
	text string
}

// linesOf finds the line of every key, so that also a value that only we know to be wrong can be found. What is not well
// formed is reported by the reader of the values.
func linesOf(text []byte) map[string]int {
	lines := map[string]int{}
	var p unstable.Parser
	p.Reset(text)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		path, line := "", 0
		if e.Kind == unstable.KeyValue {
			path = table
		}
		for key := e.Key(); key.Next(); {
			if path != "" {
				path += "."
			}
			path += string(key.Node().Data)
			line = p.Shape(key.Node().Raw).Start.Line
		}
		if e.Kind == unstable.Table {
			table = path
		}
		if lines[path] == 0 {
			lines[path] = line
		}
	}
	return lines
}

func (p *parser) say(line int, text string) { p.problems = append(p.problems, problem{line, text}) }

// wrong says what is wrong with the value of a key.
func (p *parser) wrong(key, format string, args ...any) {
	p.say(p.lines[key], key+" "+fmt.Sprintf(format, args...))
}

// err returns all that is wrong, in the order of the lines.
func (p *parser) err() error {
	if len(p.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(p.problems, func(a, b problem) int { return a.line - b.line })
	var texts []string
	for _, one := range p.problems {
		if one.line > 0 {
			one.text = fmt.Sprintf("line %d: %s", one.line, one.text)
		}
		texts = append(texts, one.text)
	}
	return inbox.Errorf(inbox.Invalid, "read the manifest", "%s", strings.Join(texts, "; ")).WithHint("docs/PLUGIN-ABI.md lists the keys")
}

func unknownKey(key string) string {
	for _, later := range laterKeys {
		if key == later || strings.HasPrefix(key, later+".") {
			return fmt.Sprintf("%q is not in this version of inbox", key)
		}
	}
	if near := inbox.Nearest(key, keys); near != "" {
		return fmt.Sprintf("unknown key %q; did you mean %q?", key, near)
	}
	return fmt.Sprintf("unknown key %q", key)
}

// within returns a number, zero when it is not there.
func (p *parser) within(key string, v *int64, low, high int64) int {
	if v == nil {
		return 0
	}
	if *v < low || *v > high {
		p.wrong(key, "is %d, not between %d and %d", *v, low, high)
		return 0
	}
	return int(*v)
}

func oneOf[T ~string](p *parser, key string, v *string, choices ...T) T {
	if v == nil {
		return ""
	}
	if !slices.Contains(choices, T(*v)) {
		p.wrong(key, "is %q, not one of %q", *v, choices)
	}
	return T(*v)
}

func (p *parser) duration(key string, text *string, low, high time.Duration) time.Duration {
	if text == nil {
		return 0
	}
	d, err := time.ParseDuration(*text)
	if err != nil || d < low || d > high {
		p.wrong(key, "is %q, not a duration between %s and %s such as \"30s\"", *text, low, high)
		return 0
	}
	return d
}

// patterns returns names that may end in "*".
func (p *parser) patterns(key string, list *[]string) []string {
	if list == nil {
		return nil
	}
	if len(*list) == 0 {
		p.wrong(key, "is empty, which lets nothing through; leave it out to let everything through")
	}
	for _, name := range *list {
		if name == "" || strings.Contains(strings.TrimSuffix(name, "*"), "*") {
			p.wrong(key, "has %q, not a name that may end in *", name)
		}
	}
	return *list
}

func (p *parser) modes(list *[]string) []inbox.Mode {
	var modes []inbox.Mode
	for _, mode := range p.patterns("modes", list) {
		modes = append(modes, oneOf(p, "modes", &mode, inbox.Live, inbox.Test))
	}
	return modes
}

var sizePattern = regexp.MustCompile(`^([0-9]{1,12}) ?(|B|KiB|MiB|GiB|KB|MB|GB)$`)

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
		p.wrong(key, "is %v, not between %d and %d bytes", v, low, high)
		return 0
	}
	return n
}

var pointerPattern = regexp.MustCompile(`^(/([^~/]|~[01])*)+$`)

// Bounds of a list of JSON pointers.
const (
	maxPointers = 1000
	maxPointer  = 1000 // bytes
)

// pointers returns JSON pointers, of which "" is the whole. No list is nil, a list of none is not.
func (p *parser) pointers(key string, list *[]string) []string {
	if list == nil {
		return nil
	}
	if len(*list) > maxPointers {
		p.wrong(key, "has %d pointers, more than %d", len(*list), maxPointers)
		return nil
	}
	for _, pointer := range *list {
		switch {
		case len(pointer) > maxPointer:
			p.wrong(key, "has a pointer of %d bytes, more than %d", len(pointer), maxPointer)
		case pointer != "" && !pointerPattern.MatchString(pointer):
			p.wrong(key, "has %q, not a JSON pointer such as \"/data/id\"", pointer)
		}
	}
	return append([]string{}, *list...)
}

func (p *parser) keyBy(v *string) inbox.KeyBy {
	if v == nil {
		return ""
	}
	k := inbox.KeyBy(*v)
	if ptr, ok := k.Pointer(); *v == "" || (ok && !pointerPattern.MatchString(ptr)) {
		p.wrong("key_by", "is %q, not \"key\", \"customer_reference\" or a JSON pointer such as \"/data/id\"", *v)
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
	for _, pointer := range slices.Sorted(maps.Keys(v)) {
		key := "where." + pointer
		if !pointerPattern.MatchString(pointer) {
			p.wrong(key, "is not a JSON pointer such as \"/data/status/status\"")
		}
		values, ok := v[pointer].([]any)
		if !ok {
			values = []any{v[pointer]}
		}
		if len(values) == 0 {
			p.wrong(key, "is empty, which lets nothing through")
		}
		c := inbox.Condition{Pointer: pointer}
		for _, x := range values {
			text, ok := scalar(x)
			if !ok {
				p.wrong(key, "is neither a text, a number, true nor false, nor a list of them")
			}
			c.Values = append(c.Values, text)
		}
		list = append(list, c)
	}
	return list
}

func (p *parser) config(v map[string]any) map[string]string {
	if len(v) == 0 {
		return nil
	}
	out := make(map[string]string, len(v))
	for _, key := range slices.Sorted(maps.Keys(v)) {
		text, ok := scalar(v[key])
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
