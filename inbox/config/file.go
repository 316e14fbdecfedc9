package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"inbox/inbox"
)

func asPath(err error, to **fs.PathError) bool { return errors.As(err, to) }

// reader reads a TOML file and collects its mistakes. The values come from the library's map. The library's low-level parser
// adds the line of every key, so that mistakes that the library does not know have lines too.
type reader struct {
	file     string
	lines    map[string]int // the line of each key, by path, as in "source[0].name"
	problems []problem
}

type problem struct {
	line int
	text string
}

// table is a table of the file. Keys that were asked for are known; reportUnknown reports all others.
type table struct {
	r      *reader
	path   string // empty for the root
	values map[string]any
	known  []string
}

// addProblem records a mistake in the value at place: "inbox.toml:3: admin", a flag or an environment variable.
func (r *reader) addProblem(place, format string, args ...any) {
	p := problem{text: place + " " + fmt.Sprintf(format, args...)}
	if rest, ok := strings.CutPrefix(place, r.file+":"); ok {
		number, _, _ := strings.Cut(rest, ":")
		p.line, _ = strconv.Atoi(number) // without a line it is 0, which sorts first
	}
	r.problems = append(r.problems, p)
}

// at returns the place of a key: the file, the line of the key or of the nearest table with a line, and the key.
func (r *reader) at(path string) string {
	for p := path; p != ""; p = parentOf(p) {
		if n := r.lines[p]; n > 0 {
			return r.file + ":" + strconv.Itoa(n) + ": " + path
		}
	}
	return path
}

func parentOf(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b problem) int { return a.line - b.line })
	var lines []string
	for _, p := range r.problems {
		lines = append(lines, p.text)
	}
	return inbox.Errorf(inbox.Invalid, "", "%s", strings.Join(lines, "\n")).WithHint("`inbox config example` shows every setting")
}

// parse parses the text of a file. After a syntax error the table is empty; mistakes in flags and variables are still reported.
func (r *reader) parse(file string, text []byte) *table {
	r.file, r.lines = file, map[string]int{}
	root := &table{r: r, values: map[string]any{}}
	if err := toml.Unmarshal(text, &root.values); err != nil {
		var bad *toml.DecodeError
		if errors.As(err, &bad) {
			row, column := bad.Position()
			r.addProblem(fmt.Sprintf("%s:%d:%d:", file, row, column), "%s", strings.TrimPrefix(bad.Error(), "toml: "))
		} else {
			r.addProblem(file, "%s", err)
		}
		root.values = map[string]any{}
		return root
	}
	r.locate(text)
	return root
}

// locate records the line of every key of a well-formed text.
func (r *reader) locate(text []byte) {
	var p unstable.Parser
	p.Reset(text)
	prefix := ""
	count := map[string]int{} // number of blocks of each array of tables
	for p.NextExpression() {
		e := p.Expression()
		var names []string
		line := 0
		for key := e.Key(); key.Next(); {
			names = append(names, string(key.Node().Data))
			if line == 0 {
				line = p.Shape(key.Node().Raw).Start.Line
			}
		}
		switch e.Kind {
		case unstable.KeyValue:
			r.setLine(join(prefix, strings.Join(names, ".")), line)
		case unstable.Table:
			prefix = r.indexedPath(names, count)
			r.setLine(prefix, line)
		case unstable.ArrayTable:
			outer := r.indexedPath(names[:len(names)-1], count)
			name := join(outer, names[len(names)-1])
			count[name]++
			prefix = fmt.Sprintf("%s[%d]", name, count[name]-1)
			r.setLine(prefix, line)
		}
	}
}

// indexedPath returns the path of the names in a header. The name of an array of tables means its last block.
func (r *reader) indexedPath(names []string, count map[string]int) string {
	path := ""
	for _, name := range names {
		path = join(path, name)
		if n := count[path]; n > 0 {
			path = fmt.Sprintf("%s[%d]", path, n-1)
		}
	}
	return path
}

func (r *reader) setLine(path string, line int) {
	if r.lines[path] == 0 {
		r.lines[path] = line
	}
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// addProblem records a mistake in the value of a key of the table.
func (t *table) addProblem(key, format string, args ...any) {
	t.r.addProblem(t.r.at(join(t.path, key)), format, args...)
}

// take removes and returns the value of a key. The key is known afterwards.
func (t *table) take(key string) (any, bool) {
	t.known = append(t.known, key)
	v, ok := t.values[key]
	delete(t.values, key)
	return v, ok
}

// text returns a scalar as text, and a list of texts joined by commas. A key with a dot names a value in an inner table.
func (t *table) text(key string) (string, bool) {
	if outer, inner, dotted := strings.Cut(key, "."); dotted {
		sub, ok := t.values[outer].(map[string]any)
		if !ok && t.values[outer] != nil {
			t.addProblem(outer, "is not a table")
			delete(t.values, outer)
		}
		t.known = append(t.known, key)
		v, found := sub[inner]
		delete(sub, inner)
		return t.scalar(key, v, found)
	}
	v, ok := t.take(key)
	return t.scalar(key, v, ok)
}

func (t *table) scalar(key string, v any, ok bool) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", false
	case string, int64, bool:
		return fmt.Sprint(v), ok
	case []any:
		var parts []string
		for _, x := range v {
			text, isText := x.(string)
			if !isText {
				t.addProblem(key, "is a list with values that are not texts")
				return "", false
			}
			parts = append(parts, text)
		}
		return strings.Join(parts, ","), ok
	}
	t.addProblem(key, "is neither a text nor a whole number")
	return "", false
}

// tables returns the tables of an array.
func (t *table) tables(key string) []*table {
	v, ok := t.take(key)
	if !ok {
		return nil
	}
	list, isList := v.([]any)
	if !isList {
		t.addProblem(key, "is not a list of tables: write [[%s]] above each", join(t.path, key))
		return nil
	}
	var out []*table
	for i, x := range list {
		values, ok := x.(map[string]any)
		if !ok {
			t.addProblem(key, "is not a list of tables: write [[%s]] above each", join(t.path, key))
			return out
		}
		out = append(out, &table{r: t.r, path: fmt.Sprintf("%s[%d]", join(t.path, key), i), values: values})
	}
	return out
}

// reportUnknown reports every unknown key.
func (t *table) reportUnknown() {
	for _, key := range slices.Sorted(maps.Keys(t.values)) {
		if sub, ok := t.values[key].(map[string]any); ok && t.hasInner(key) {
			for _, inner := range slices.Sorted(maps.Keys(sub)) {
				t.unknown(key + "." + inner)
			}
			continue
		}
		t.unknown(key)
	}
}

// hasInner reports whether key is a table with known keys.
func (t *table) hasInner(key string) bool {
	return slices.ContainsFunc(t.known, func(k string) bool { return strings.HasPrefix(k, key+".") })
}

func (t *table) unknown(key string) {
	if near := inbox.Nearest(key, t.known); near != "" {
		t.addProblem(key, "is not a setting; did you mean %s?", near)
		return
	}
	t.addProblem(key, "is not a setting")
}
