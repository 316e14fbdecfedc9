package document

import "inbox/inbox/rawjson"

// grant is the visible part of a value: all of it, or members and elements by name or index.
type grant struct {
	all bool
	in  map[string]*grant
}

var everything = &grant{all: true}

// newGrant makes a grant of JSON pointers. nil grants everything, an empty list nothing. Where one pointer leads into the value
// of another, the wider one holds. A string that is not a pointer grants nothing.
func newGrant(pointers []string) *grant {
	if pointers == nil {
		return everything
	}
	root := &grant{}
	for _, pointer := range pointers {
		if path, ok := rawjson.Tokens(pointer); ok {
			root.add(path)
		}
	}
	return root
}

func (g *grant) add(path []string) {
	for _, token := range path {
		if g.all {
			return
		}
		in := g.in[token]
		if in == nil {
			in = &grant{}
			if g.in == nil {
				g.in = map[string]*grant{}
			}
			g.in[token] = in
		}
		g = in
	}
	g.all, g.in = true, nil
}
