package document

import (
	"bytes"
	"strconv"

	"inbox/inbox/rawjson"
)

// withheld is a text that was skipped of a document. The guest can read it separately.
type withheld struct {
	pointer string
	size    int    // length of the text, in bytes
	raw     []byte // the text in the payload: a JSON string, or a body that is not JSON
	text    bool   // raw is the text itself and not a JSON string
}

// narrow returns the granted part of a JSON body, and the granted texts of more than limit bytes, which it leaves out. It makes
// one pass and decodes nothing: the parts that stay are the original bytes, and the result is the body itself when nothing is
// left out.
//
// Every value that stays keeps its pointer. A text that was skipped becomes null. An object or array that contains a granted
// value loses its other members; other elements become null where an element after them stays. Any other value on the way to a
// granted one becomes null. A text stays if its pointer is longer than the text, so that all pointers together are never longer
// than the texts left out. Of members with the same name the last counts; texts left out of the earlier ones are not listed.
//
// The body must be JSON in UTF-8.
func narrow(body []byte, g *grant, limit int64) (shown []byte, left []withheld) {
	if g.all && int64(len(body)) <= limit {
		return body, nil
	}
	n := narrower{Scan: rawjson.Scan{Text: body}, limit: limit}
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
	limit    int64
	out      []byte // the output for the body before from
	from     int    // where copying goes on in a value that is granted as a whole
	path     []step // to the current value
	withheld []withheld
	replaced []span // parts of withheld whose member a later member replaced
	buf      []byte // buffer for pointers
}

// step is one token of a pointer: a name as it is written in the body, or an index.
type step struct {
	name  rawjson.Span // empty for an index
	index int
}

// span is a half-open range of indexes of withheld texts.
type span struct{ from, to int }

// part reads a value that contains granted values.
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

// end reads the end of an object or array that contains granted values.
func (n *narrower) end(empty bool, open, end byte) {
	n.At++
	if empty {
		n.out = append(n.out, open)
	}
	n.out = append(n.out, end)
}

// inner reads a member or element that is granted in part or as a whole.
func (n *narrower) inner(g *grant) {
	if !g.all {
		n.part(g)
		return
	}
	n.from = n.At
	n.whole()
	n.out = append(n.out, n.Text[n.from:n.At]...)
}

// whole reads a value that is granted as a whole.
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

// text reads a text and leaves it out if it is too long.
func (n *narrower) text() {
	at := n.Value()
	raw := at.Of(n.Text)
	if int64(len(raw)) <= n.limit+int64(len(`""`)) {
		return
	}
	size := rawjson.TextSize(raw)
	if int64(size) <= n.limit {
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

// pointer returns the pointer to the current value; ok is false if it is longer than limit bytes.
func (n *narrower) pointer(limit int) (string, bool) {
	b := n.buf[:0]
	defer func() { n.buf = b }()
	for _, s := range n.path {
		b = append(b, '/')
		switch quoted := s.name.Of(n.Text); {
		case len(quoted) == 0:
			b = strconv.AppendInt(b, int64(s.index), 10)
		case len(quoted) > len(`""`)+longestEscape*limit:
			return "", false
		default:
			b = append(b, escapeName(rawjson.Unquote(quoted))...)
		}
		if len(b) > limit {
			return "", false
		}
	}
	return string(b), true
}

// longestEscape is the limit bytes of a JSON string that stand for one byte of its text.
const longestEscape = len(`\u0000`)

// escapeName escapes a name for a JSON pointer.
func escapeName(name []byte) []byte {
	if bytes.IndexByte(name, '~') >= 0 {
		name = bytes.ReplaceAll(name, []byte("~"), []byte("~0"))
	}
	if bytes.IndexByte(name, '/') >= 0 {
		name = bytes.ReplaceAll(name, []byte("/"), []byte("~1"))
	}
	return name
}

// enter steps into a member or element, and returns the number of texts left out before it.
func (n *narrower) enter(s step) int {
	n.path = append(n.path, s)
	return len(n.withheld)
}

// leave steps out of a member. It marks the texts left out of an earlier member of the same name as replaced.
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

// members records, by name, the texts left out of the members of one object.
type members struct{ seen map[string]span }

// listed returns the withheld texts that were not replaced.
func (n *narrower) listed() []withheld {
	if len(n.replaced) == 0 {
		return n.withheld
	}
	edge := make([]int, len(n.withheld)+1) // number of replaced spans that begin at an index, minus those that end
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
