package intake

import (
	"path"
	"strings"
)

// FoldPath returns the form in which the paths of sources and requests are compared: repeated slashes, dot segments, and
// slashes and blanks at the end are folded. The address that is entered at a provider often has such a slip (a base
// address with a slash, and a path with one), and a webhook must not be lost for it.
func FoldPath(p string) string { return path.Clean("/" + strings.TrimRight(p, "/ \t\r\n")) }

// paths finds sources by path. A path in another case than a source's finds it when no second source could be meant.
type paths struct{ exact, folded map[string]Source }

func newPaths(sources []Source) paths {
	p := paths{exact: map[string]Source{}, folded: map[string]Source{}}
	several := map[string]bool{}
	for _, s := range sources {
		exact := FoldPath(s.Path)
		folded := strings.ToLower(exact)
		_, known := p.folded[folded]
		several[folded] = several[folded] || known
		p.exact[exact], p.folded[folded] = s, s
	}
	for folded, ambiguous := range several {
		if ambiguous {
			delete(p.folded, folded)
		}
	}
	return p
}

func (p paths) find(requested string) (Source, bool) {
	if s, ok := p.exact[requested]; ok { // as nearly always
		return s, true
	}
	exact := FoldPath(requested)
	if s, ok := p.exact[exact]; ok {
		return s, true
	}
	s, ok := p.folded[strings.ToLower(exact)]
	return s, ok
}
