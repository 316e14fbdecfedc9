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

// parser reads the values of a manifest and collects the problems.
type parser struct {
	*outline
	problems []problem
}

type problem struct {
	line int
	text string
}

func (p *parser) add(line int, text string) { p.problems = append(p.problems, problem{line, text}) }

// wrong adds a problem with the value of a key.
func (p *parser) wrong(key, format string, args ...any) {
	p.add(p.lines[key], key+" "+fmt.Sprintf(format, args...))
}

// err returns all problems in one error, in the order of the lines.
func (p *parser) err() error {
	if len(p.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(p.problems, func(a, b problem) int { return a.line - b.line })
	var texts []string
	for i, problem := range p.problems {
		if i == maxProblems {
			texts = append(texts, fmt.Sprintf("and %d more", len(p.problems)-i))
			break
		}
		if len(problem.text) > maxProblem {
			problem.text = strings.ToValidUTF8(problem.text[:maxProblem], "") + " …"
		}
		if problem.line > 0 {
			problem.text = fmt.Sprintf("line %d: %s", problem.line, problem.text)
		}
		texts = append(texts, problem.text)
	}
	return inbox.Errorf(inbox.Invalid, "read the manifest", "%s", strings.Join(texts, "; ")).WithHint("docs/PLUGIN-ABI.md lists the keys")
}

// Bounds of the error for a manifest, which appears in logs and tables.
const (
	maxProblems = 20
	maxProblem  = 300 // bytes
)

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

// within returns a number between low and high. It returns zero for a missing value and adds a problem for other numbers.
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

// emit returns the names of events that the plugin may emit. Only names with a dot are emitted. An empty list grants none.
func (p *parser) emit(list *[]string) []string {
	if list == nil || len(*list) == 0 {
		return nil
	}
	names := p.patterns("emit", list)
	for _, name := range names {
		if name != "" && !inbox.AsksForEmitted(name) {
			p.wrong("emit", "has %q, which has no dot; names of emitted events have one, as in \"customer.passed\"", name)
		}
	}
	return names
}

// patterns returns names that may end in "*".
func (p *parser) patterns(key string, list *[]string) []string {
	if list == nil {
		return nil
	}
	if len(*list) == 0 {
		p.wrong(key, "is empty, which matches no event; leave it out to match every event")
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

// Bounds of the conditions of where: each event's body is searched once for each condition.
const (
	maxConditions = 64
	maxValues     = 1000
)

// pointers returns JSON pointers; "" is the whole body. A missing list gives nil, an empty list gives an empty list.
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
	if ptr, ok := k.Pointer(); *v == "" || len(*v) > maxPointer || (ok && !pointerPattern.MatchString(ptr)) {
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

// table calls each for the values of a table of scalars, sorted by name.
func (p *parser) table(name string, each func(key string, v value)) {
	values, ok := p.members(name)
	if !ok {
		p.wrong(name, "is not a table: write [%s] over its keys", name)
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if v := values[key]; v.depth != 2 {
			p.wrong(name+"."+key, "is neither a text, a number, true nor false: a key with dots needs quotation marks")
		} else {
			each(key, v)
		}
	}
}

// where reads conditions: a JSON pointer to a value or a list of values.
func (p *parser) where() []inbox.Condition {
	var list []inbox.Condition
	p.table("where", func(pointer string, v value) {
		key := "where." + pointer
		if !pointerPattern.MatchString(pointer) {
			p.wrong(key, "is not a JSON pointer such as \"/data/status/status\"")
		}
		values := []value{v}
		if v.kind == unstable.Array {
			values = v.list
		}
		if len(values) == 0 {
			p.wrong(key, "is empty, which matches no event")
		}
		if len(pointer) > maxPointer {
			p.wrong(key[:20]+"…", "has a pointer of %d bytes, more than %d", len(pointer), maxPointer)
		}
		if len(values) > maxValues {
			p.wrong(key, "has %d values, more than %d", len(values), maxValues)
			return
		}
		c := inbox.Condition{Pointer: pointer}
		for _, x := range values {
			text, ok := x.json()
			if !ok {
				p.wrong(key, "is neither a text, a number that JSON has, true nor false, nor a list of them")
			}
			c.Values = append(c.Values, text)
		}
		list = append(list, c)
	})
	if len(list) > maxConditions {
		p.wrong("where", "has %d conditions, more than %d", len(list), maxConditions)
	}
	return list
}

// config reads the settings of the plugin. A value keeps its spelling in the file, so 1.10 stays 1.10.
func (p *parser) config() map[string]string {
	out := map[string]string{}
	p.table("config", func(key string, v value) {
		text, ok := v.scalar()
		if !ok {
			p.wrong("config."+key, "is neither a text, a number, a date, true nor false")
		}
		out[key] = text
	})
	if len(out) == 0 {
		return nil
	}
	return out
}
