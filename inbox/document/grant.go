package document

import "inbox/inbox/rawjson"

// grant is what may be seen of a value: all of it, or some of what is in it, by name or index.
type grant struct {
	all bool
	in  map[string]*grant
}

var everything = &grant{all: true}

// granted makes a grant of JSON pointers. No list is everything, a list of none is nothing; where one pointer leads into
// what another grants, the wider one holds. What is not a pointer grants nothing.
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
