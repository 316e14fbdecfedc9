package inbox

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// ValueChange is one difference between two JSON documents.
type ValueChange struct {
	Pointer []PointerStep // empty: the whole document
	Old     any           // as decoded with [json.Decoder.UseNumber]
	New     any
	Added   bool // Old is absent
	Removed bool // New is absent
}

// PointerStep is a step of a JSON pointer (RFC 6901): a member of an object, or an element of an array.
type PointerStep struct {
	Token   string // name or index, not escaped
	Element bool
}

// DiffJSON returns the differences between two JSON documents, in the order of their pointers. Objects are compared member by
// member, and arrays element by element. A nil document is absent. Numbers are equal when their values are. The error is Invalid
// when a document is not JSON.
func DiffJSON(before, after []byte) ([]ValueChange, error) {
	var d differences
	switch {
	case before == nil && after == nil:
		return nil, nil
	case before == nil:
		v, err := decodeNumbers(after)
		return []ValueChange{{New: v, Added: true}}, err
	case after == nil:
		v, err := decodeNumbers(before)
		return []ValueChange{{Old: v, Removed: true}}, err
	}
	x, err := decodeNumbers(before)
	if err != nil {
		return nil, err
	}
	y, err := decodeNumbers(after)
	if err != nil {
		return nil, err
	}
	d.compare(x, y)
	return d.list, nil
}

func decodeNumbers(document []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, Errorf(Invalid, "read a state document", "%w", err)
	}
	return v, nil
}

// differences collects the differences of two documents. at is the pointer of the values that are being compared.
type differences struct {
	at   []PointerStep
	list []ValueChange
}

func (d *differences) add(c ValueChange) {
	c.Pointer = slices.Clone(d.at)
	d.list = append(d.list, c)
}

// under calls compare with the pointer of a member or an element.
func (d *differences) under(step PointerStep, compare func()) {
	d.at = append(d.at, step)
	compare()
	d.at = d.at[:len(d.at)-1]
}

func (d *differences) compare(before, after any) {
	switch x := before.(type) {
	case map[string]any:
		if y, ok := after.(map[string]any); ok {
			d.members(x, y)
			return
		}
	case []any:
		if y, ok := after.([]any); ok {
			d.elements(x, y)
			return
		}
	case json.Number:
		if y, ok := after.(json.Number); ok && SameNumber(x.String(), y.String()) {
			return
		}
	}
	if !reflect.DeepEqual(before, after) {
		d.add(ValueChange{Old: before, New: after})
	}
}

func (d *differences) members(before, after map[string]any) {
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		x, was := before[name]
		y, is := after[name]
		d.under(PointerStep{Token: name}, func() { d.pair(x, y, was, is) })
	}
}

func (d *differences) elements(before, after []any) {
	for i := range max(len(before), len(after)) {
		var x, y any
		was, is := i < len(before), i < len(after)
		if was {
			x = before[i]
		}
		if is {
			y = after[i]
		}
		d.under(PointerStep{Token: strconv.Itoa(i), Element: true}, func() { d.pair(x, y, was, is) })
	}
}

func (d *differences) pair(before, after any, was, is bool) {
	switch {
	case was && is:
		d.compare(before, after)
	case was:
		d.add(ValueChange{Old: before, Removed: true})
	default:
		d.add(ValueChange{New: after, Added: true})
	}
}

// PointerOf returns the JSON pointer of steps: the token of each with "~" and "/" escaped, after a "/".
func PointerOf(steps []PointerStep) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, step := range steps {
		b.WriteByte('/')
		b.WriteString(escape.Replace(step.Token))
	}
	return b.String()
}
