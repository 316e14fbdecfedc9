package document

import (
	"bytes"
	"strconv"

	"inbox/inbox/rawjson"
)

// withheld is a text that was left out of a document, to be read by itself.
type withheld struct {
	pointer string
	size    int    // bytes of the text
	raw     []byte // where it stands in the payload: a JSON string, or what is not JSON at all
	text    bool   // raw is what is read, and not a JSON string
}

// narrow returns of a JSON body what is granted, and which texts in that were left out because they have more than most
// bytes. It is one pass, without decoding: what stays is byte for byte what came, and is the body itself when that is
// all of it.
//
// What stays has the pointer it had. A text that was left out is null. Of an object or array on the way to something
// granted, what is not granted is not there, or null where an element after it is; anything else on the way is null. A
// text stays whose pointer is longer than itself, so that all pointers together are never longer than what was left out.
// Of members with the same name the last counts, and nothing left out of those before it is listed.
//
// The body must be JSON in UTF-8.
func narrow(body []byte, g *grant, most int64) (shown []byte, left []withheld) {
	if g.all && int64(len(body)) <= most {
		return body, nil
	}
	n := narrower{Scan: rawjson.Scan{Text: body}, most: most}
	n.Space()
	if !g.all {
		n.part(g)
		return n.out, n.listed()
	}
	n.whole()
	if n.out == nil {
		return body, nil
	}
	return append(n.out, body[n.from:]...), n.listed()
}

type narrower struct {
	rawjson.Scan
	most     int64
	out      []byte // what stays of the body before from
	from     int    // where what stays goes on, in what is granted as a whole
	path     []step // where in the body it is
	withheld []withheld
	replaced []span // of left: their place was taken by a later member
	buf      []byte // to write pointers in
}

// step is one token of a pointer: a name as it stands in the body, or an index.
type step struct {
	name  rawjson.Span // of an index: empty
	index int
}

// span is a part of what was left out: from an index up to another.
type span struct{ from, to int }

// part goes over a value that is on the way to something granted.
func (n *narrower) part(g *grant) {
	switch n.Peek() {
	case '{':
		n.partOfObject(g)
	case '[':
		n.partOfArray(g)
	default:
		n.Value()
		n.out = append(n.out, "null"...)
	}
}

func (n *narrower) partOfObject(g *grant) {
	sep, same := byte('{'), members{}
	for more := n.Enter('{'); more; more = n.Next() {
		name := n.Name()
		in := g.in[string(rawjson.Unquote(name.Of(n.Text)))]
		if in == nil {
			n.Value()
			continue
		}
		n.out = append(append(append(n.out, sep), name.Of(n.Text)...), ':')
		before := n.enter(step{name: name})
		n.inner(in)
		n.leave(&same, name, before)
		sep = ','
	}
	n.end(sep == '{', '{', '}')
}

func (n *narrower) partOfArray(g *grant) {
	sep, gap := byte('['), 0
	var digits [20]byte
	for i, more := 0, n.Enter('['); more; i, more = i+1, n.Next() {
		in := g.in[string(strconv.AppendInt(digits[:0], int64(i), 10))]
		if in == nil {
			n.Value()
			gap++
			continue
		}
		for ; gap > 0; gap-- {
			n.out = append(append(n.out, sep), "null"...)
			sep = ','
		}
		n.out = append(n.out, sep)
		n.enter(step{index: i})
		n.inner(in)
		n.path = n.path[:len(n.path)-1]
		sep = ','
	}
	n.end(sep == '[', '[', ']')
}

// end takes the end of an object or array on the way.
func (n *narrower) end(empty bool, open, end byte) {
	n.At++
	if empty {
		n.out = append(n.out, open)
	}
	n.out = append(n.out, end)
}

// inner goes over a member or element of which something is granted.
func (n *narrower) inner(g *grant) {
	if !g.all {
		n.part(g)
		return
	}
	n.from = n.At
	n.whole()
	n.out = append(n.out, n.Text[n.from:n.At]...)
}

// whole goes over a value that is granted as a whole.
func (n *narrower) whole() {
	switch n.Peek() {
	case '{':
		var same members
		for more := n.Enter('{'); more; more = n.Next() {
			name := n.Name()
			before := n.enter(step{name: name})
			n.whole()
			n.leave(&same, name, before)
		}
		n.At++
	case '[':
		for i, more := 0, n.Enter('['); more; i, more = i+1, n.Next() {
			n.enter(step{index: i})
			n.whole()
			n.path = n.path[:len(n.path)-1]
		}
		n.At++
	case '"':
		n.text()
	default:
		n.Value()
	}
}

// text leaves a text out that is too long.
func (n *narrower) text() {
	at := n.Value()
	raw := at.Of(n.Text)
	if int64(len(raw)) <= n.most+int64(len(`""`)) {
		return
	}
	size := rawjson.TextSize(raw)
	if int64(size) <= n.most {
		return
	}
	pointer, ok := n.pointer(size)
	if !ok {
		return
	}
	n.withheld = append(n.withheld, withheld{pointer: pointer, size: size, raw: raw})
	n.out = append(append(n.out, n.Text[n.from:at.From]...), "null"...)
	n.from = at.To
}

// pointer returns the pointer of where n is, unless it is longer than so many bytes.
func (n *narrower) pointer(most int) (string, bool) {
	b := n.buf[:0]
	defer func() { n.buf = b }()
	for _, s := range n.path {
		b = append(b, '/')
		switch quoted := s.name.Of(n.Text); {
		case len(quoted) == 0:
			b = strconv.AppendInt(b, int64(s.index), 10)
		case len(quoted) > len(`""`)+longestEscape*most:
			return "", false
		default:
			b = append(b, escapeName(rawjson.Unquote(quoted))...)
		}
		if len(b) > most {
			return "", false
		}
	}
	return string(b), true
}

// longestEscape is how many bytes of a JSON string one byte of its text may take.
const longestEscape = len(`\u0000`)

// escapeToken writes a name as it stands in a JSON pointer.
func escapeName(name []byte) []byte {
	if bytes.IndexByte(name, '~') >= 0 {
		name = bytes.ReplaceAll(name, []byte("~"), []byte("~0"))
	}
	if bytes.IndexByte(name, '/') >= 0 {
		name = bytes.ReplaceAll(name, []byte("/"), []byte("~1"))
	}
	return name
}

// enter steps into a member or element, and returns how much was left out before it.
func (n *narrower) enter(s step) int {
	n.path = append(n.path, s)
	return len(n.withheld)
}

// leave steps out of a member. What was left out of an earlier one with its name has lost its place.
func (n *narrower) leave(of *members, name rawjson.Span, before int) {
	n.path = n.path[:len(n.path)-1]
	if of.seen == nil && len(n.withheld) == before {
		return
	}
	text := string(rawjson.Unquote(name.Of(n.Text)))
	if old, ok := of.seen[text]; ok {
		n.replaced = append(n.replaced, old)
		delete(of.seen, text)
	}
	if len(n.withheld) > before {
		if of.seen == nil {
			of.seen = map[string]span{}
		}
		of.seen[text] = span{before, len(n.withheld)}
	}
}

// names tells what was left out of the members of one object, by their names.
type members struct{ seen map[string]span }

// listed returns what was left out and has not lost its place.
func (n *narrower) listed() []withheld {
	if len(n.replaced) == 0 {
		return n.withheld
	}
	edge := make([]int, len(n.withheld)+1) // how many of the dead begin here, less those that end
	for _, d := range n.replaced {
		edge[d.from]++
		edge[d.to]--
	}
	list, depth := n.withheld[:0], 0
	for i, w := range n.withheld {
		if depth += edge[i]; depth == 0 {
			list = append(list, w)
		}
	}
	return list
}
