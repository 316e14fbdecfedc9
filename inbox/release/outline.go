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

// Bounds of a manifest. The time of the TOML library grows with the square of the number of keys and with the depth, so both are
// counted before it reads. Within these bounds the most expensive manifest takes some tens of milliseconds.
const (
	MaxManifest = 64 << 10 // bytes, of NAME.toml and of the section inbox.manifest
	maxKeys     = 2000     // keys and headers
	maxDepth    = 8        // parts of a dotted key, and levels of nested lists and tables
)

// outline has every value of a manifest by its dotted key, with its line and its spelling.
type outline struct {
	lines    map[string]int // of keys and headers
	values   map[string]value
	lists    map[string]bool // headers in double brackets
	newlines []int           // offsets of the line ends
	keys     int
	err      error // set when the manifest exceeds the bounds; the rest is not read
}

// value is one value of TOML.
type value struct {
	kind  unstable.Kind
	text  string // the content of a string, the spelling of other values
	list  []value
	depth int // number of parts of its key
}

// outlineOf reads a text in one pass. It stops at malformed TOML without an error; the TOML decoder then returns one with the
// line.
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
			o.addMember(table, e)
		case unstable.Table, unstable.ArrayTable:
			table = o.addKey(nil, e.Key())
			if e.Kind == unstable.ArrayTable {
				o.lists[strings.Join(table, ".")] = true
			}
		}
	}
	return o
}

// addKey stores the line of a key and returns its path.
func (o *outline) addKey(table []string, key unstable.Iterator) []string {
	path, line := slices.Clone(table), 0
	for key.Next() {
		node := key.Node()
		path = append(path, string(node.Data))
		row, _ := slices.BinarySearch(o.newlines, int(node.Raw.Offset))
		line = row + 1
		if len(path) > maxDepth {
			o.abort(line, "a key of more than %d parts", maxDepth)
			return path[:maxDepth]
		}
	}
	if o.keys++; o.keys > maxKeys {
		o.abort(line, "more than %d keys", maxKeys)
	}
	if name := strings.Join(path, "."); o.lines[name] == 0 {
		o.lines[name] = line
	}
	return path
}

// abort stops the reading with an error. Only the first error is kept.
func (o *outline) abort(line int, format string, args ...any) {
	if o.err == nil {
		o.err = inbox.Errorf(inbox.Invalid, "read the manifest", "line %d: it has "+format, append([]any{line}, args...)...)
	}
}

// addMember stores a key and its value. For an inline table it stores the members.
func (o *outline) addMember(table []string, e *unstable.Node) {
	path := o.addKey(table, e.Key())
	node := e.Value()
	if node.Kind != unstable.InlineTable {
		v := o.valueOf(node, len(path))
		v.depth = len(path)
		o.values[strings.Join(path, ".")] = v
		return
	}
	for c := node.Children(); o.err == nil && c.Next(); {
		o.addMember(path, c.Node())
	}
}

func (o *outline) valueOf(node *unstable.Node, depth int) value {
	v := value{kind: node.Kind, text: string(node.Data)}
	if depth > 2*maxDepth {
		o.abort(0, "lists or tables within each other, more than %d deep", maxDepth)
		return v
	}
	if node.Kind != unstable.Array && node.Kind != unstable.InlineTable {
		return v
	}
	for c := node.Children(); o.err == nil && c.Next(); {
		if child := c.Node(); child.Kind == unstable.KeyValue {
			v.list = append(v.list, o.valueOf(child.Value(), depth+1))
		} else if child.Kind != unstable.Comment {
			v.list = append(v.list, o.valueOf(child, depth+1))
		}
	}
	return v
}

// literal returns the TOML literal of a value.
func (v value) literal() string {
	switch v.kind {
	case unstable.String:
		return literalText(v.text)
	case unstable.InlineTable:
		return "{…}"
	case unstable.Array:
		var list []string
		for _, element := range v.list {
			list = append(list, element.literal())
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	return v.text
}

// literals returns the TOML literal of every value, by its dotted key.
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
	literal := strings.TrimSuffix(strings.TrimPrefix(string(b), "v = "), "\n")
	return strings.ReplaceAll(literal, "\n", " ")
}

// members returns the values of a table by name. It reports whether the key is a table.
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

// scalar returns the spelling of a string, number, date, true or false.
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

// json returns a string, number, true or false in the spelling of JSON; a string without its quotation marks.
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
