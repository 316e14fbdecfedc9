package release

import (
	"bytes"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"inbox/inbox"
)

// Bounds of a manifest. The TOML library takes time with the square of the keys and with the depth, so both are counted
// before it reads: a manifest that is as hostile as these let it be takes some tens of milliseconds.
const (
	MaxManifest = 64 << 10 // bytes, of NAME.toml and of the section inbox.manifest
	maxKeys     = 2000     // keys and headers
	maxDepth    = 8        // parts of a dotted key, and lists and tables within each other
)

// outline is a manifest as it is written: every value by its dotted key, with its line and its spelling.
type outline struct {
	lines    map[string]int // of keys and headers
	values   map[string]value
	lists    map[string]bool // headers in double brackets
	newlines []int           // where lines end
	keys     int
	err      error // why it was left: it is beyond the bounds
}

// value is one value of TOML.
type value struct {
	kind  unstable.Kind
	text  string // of a text what it says, else as it is written
	list  []value
	depth int // parts of its key
}

// outlineOf reads a text in one pass. What is not well formed is left to the reader of the values, which says where.
func outlineOf(text []byte) *outline {
	o := &outline{lines: map[string]int{}, values: map[string]value{}, lists: map[string]bool{}}
	for at := 0; ; {
		n := bytes.IndexByte(text[at:], '\n')
		if n < 0 {
			break
		}
		o.newlines, at = append(o.newlines, at+n), at+n+1
	}
	var p unstable.Parser
	p.Reset(text)
	var table []string
	for o.err == nil && p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.KeyValue:
			o.member(table, e)
		case unstable.Table, unstable.ArrayTable:
			table = o.note(nil, e.Key())
			if e.Kind == unstable.ArrayTable {
				o.lists[strings.Join(table, ".")] = true
			}
		}
	}
	return o
}

// note notes the line of a key and returns its path.
func (o *outline) note(table []string, key unstable.Iterator) []string {
	path, line := slices.Clone(table), 0
	for key.Next() {
		node := key.Node()
		path = append(path, string(node.Data))
		row, _ := slices.BinarySearch(o.newlines, int(node.Raw.Offset))
		line = row + 1
		if len(path) > maxDepth {
			o.leave(line, "a key of more than %d parts", maxDepth)
			return path[:maxDepth]
		}
	}
	if o.keys++; o.keys > maxKeys {
		o.leave(line, "more than %d keys", maxKeys)
	}
	if name := strings.Join(path, "."); o.lines[name] == 0 {
		o.lines[name] = line
	}
	return path
}

func (o *outline) leave(line int, format string, args ...any) {
	if o.err == nil {
		o.err = inbox.Errorf(inbox.Invalid, "read the manifest", "line %d: it has "+format, append([]any{line}, args...)...)
	}
}

// member notes a key and its value, and, of a table in braces, those in it.
func (o *outline) member(table []string, e *unstable.Node) {
	path := o.note(table, e.Key())
	node := e.Value()
	if node.Kind != unstable.InlineTable {
		v := o.valueOf(node, len(path))
		v.depth = len(path)
		o.values[strings.Join(path, ".")] = v
		return
	}
	for c := node.Children(); o.err == nil && c.Next(); {
		o.member(path, c.Node())
	}
}

func (o *outline) valueOf(node *unstable.Node, depth int) value {
	v := value{kind: node.Kind, text: string(node.Data)}
	if depth > 2*maxDepth {
		o.leave(0, "lists or tables within each other, more than %d deep", maxDepth)
		return v
	}
	if node.Kind != unstable.Array && node.Kind != unstable.InlineTable {
		return v
	}
	for c := node.Children(); o.err == nil && c.Next(); {
		if one := c.Node(); one.Kind == unstable.KeyValue {
			v.list = append(v.list, o.valueOf(one.Value(), depth+1))
		} else if one.Kind != unstable.Comment {
			v.list = append(v.list, o.valueOf(one, depth+1))
		}
	}
	return v
}

// literal writes a value as it is written in TOML.
func (v value) literal() string {
	switch v.kind {
	case unstable.String:
		return literalText(v.text)
	case unstable.InlineTable:
		return "{…}"
	case unstable.Array:
		var list []string
		for _, one := range v.list {
			list = append(list, one.literal())
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	return v.text
}

// literals returns every value as it is written, by its dotted key.
func (o *outline) literals() map[string]string {
	out := make(map[string]string, len(o.values))
	for key, v := range o.values {
		out[key] = v.literal()
	}
	return out
}

func literalText(text string) string {
	b, err := toml.Marshal(map[string]string{"v": text})
	if err != nil {
		return fmt.Sprintf("%q", text)
	}
	one := strings.TrimSuffix(strings.TrimPrefix(string(b), "v = "), "\n")
	return strings.ReplaceAll(one, "\n", " ")
}

// members returns the values of a table, by their names, and whether the key is a table.
func (o *outline) members(table string) (map[string]value, bool) {
	_, plain := o.values[table]
	if plain || o.lists[table] {
		return nil, false
	}
	out := map[string]value{}
	for key, v := range o.values {
		if name, in := strings.CutPrefix(key, table+"."); in {
			out[name] = v
		}
	}
	return out, true
}

// Numbers of TOML (https://toml.io/en/v1.0.0#integer and #float).
var (
	decimalPattern = regexp.MustCompile(`^[+-]?(0|[1-9](_?[0-9])*)(\.[0-9](_?[0-9])*)?([eE][+-]?[0-9](_?[0-9])*)?$`)
	radixPattern   = regexp.MustCompile(`^0(x[0-9A-Fa-f](_?[0-9A-Fa-f])*|o[0-7](_?[0-7])*|b[01](_?[01])*)$`)
	notFinite      = regexp.MustCompile(`^[+-]?(inf|nan)$`)
)

// scalar returns a text, number, date, true or false as it is written.
func (v value) scalar() (string, bool) {
	switch v.kind {
	case unstable.String, unstable.Bool:
		return v.text, true
	case unstable.Integer, unstable.Float:
		return v.text, decimalPattern.MatchString(v.text) || radixPattern.MatchString(v.text) || notFinite.MatchString(v.text)
	case unstable.DateTime, unstable.LocalDateTime, unstable.LocalDate, unstable.LocalTime:
		var doc any
		return v.text, toml.Unmarshal([]byte("v = "+v.text), &doc) == nil
	}
	return "", false
}

// json returns a text, number, true or false as JSON has it, a text without its quotation marks.
func (v value) json() (string, bool) {
	text := strings.TrimPrefix(strings.ReplaceAll(v.text, "_", ""), "+")
	switch v.kind {
	case unstable.String, unstable.Bool:
		return v.text, true
	case unstable.Integer, unstable.Float:
		if radixPattern.MatchString(v.text) {
			n, ok := new(big.Int).SetString(text, 0)
			if !ok {
				return "", false
			}
			return n.String(), true
		}
		return text, decimalPattern.MatchString(v.text)
	}
	return "", false
}
