package intake

import (
	"path"
	"strings"
)

// FoldPath returns the form in which the paths of sources and requests are compared: repeated slashes, dot segments, and
// slashes and blanks at the end are folded. Addresses entered at a provider often have such a mistake, as when both the base
// address and the path have a slash, and no webhook may be lost for it.
func FoldPath(p string) string { return path.Clean("/" + strings.TrimRight(p, "/ \t\r\n")) }

// paths finds sources by path. A path in another case finds a source too, unless it could mean a second source.
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
	if s, ok := p.exact[requested]; ok { // the usual case
		return s, true
	}
	exact := FoldPath(requested)
	if s, ok := p.exact[exact]; ok {
		return s, true
	}
	s, ok := p.folded[strings.ToLower(exact)]
	return s, ok
}
