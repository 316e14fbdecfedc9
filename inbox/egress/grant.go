package egress

import (
	"fmt"
	"slices"

	"inbox/inbox"
)

// Grant is what the operator grants one plugin of the outside. In NAME.toml it is the table http:
//
//	[http]
//	allow     = ["https://api.example.com"]                          # addresses of the public internet
//	private   = ["http://10.0.0.5:8080", "http://localhost:9000"]    # granted too; may have private addresses
//	redirects = true                                                 # default: a 3xx is the final response
//	ca        = "/etc/inbox/our-ca.pem"                              # trusted in addition to the system's
//	proxy     = "environment"                                        # default: HTTP_PROXY and its like are not used
//
// The zero value grants nothing.
type Grant struct {
	Allow     []Origin // origins with addresses of the public internet
	Private   []Origin // origins that may have private addresses too; they need not be repeated in Allow
	Redirects bool     // whether a redirect to a granted origin is followed
	CAFile    string   // path of certificates in PEM that are trusted beside the system's; empty for none
	Proxy     bool     // whether the proxies of the environment are used, see New
}

// ParseGrant reads the lists allow and private. It reports everything that is wrong at once. An address in allow must be one
// of the public internet. The error is Invalid, with hints.
func ParseGrant(allow, private []string) (Grant, error) {
	var g Grant
	var wrong []error
	read := func(key string, list []string, check func(Origin) error) (all []Origin) {
		for _, text := range list {
			o, err := ParseOrigin(text)
			if err == nil {
				err = check(o)
			}
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", key, err))
			} else if !slices.Contains(all, o) {
				all = append(all, o)
			}
		}
		return all
	}
	g.Allow = read("allow", allow, mayAllow)
	g.Private = read("private", private, mayBePrivate)
	if len(wrong) == 0 {
		return g, nil
	}
	return Grant{}, inbox.Errorf(inbox.Invalid, "read the grant http", "%w", join(wrong))
}

// join joins errors on one line.
func join(all []error) error {
	err := all[0]
	for _, next := range all[1:] {
		err = fmt.Errorf("%w; %w", err, next)
	}
	return err
}

// mayAllow reports an address in allow that is not public.
func mayAllow(o Origin) error {
	at, literal := o.address()
	if !literal {
		return nil
	}
	switch reach, name := classify(at.Addr()); reach {
	case public:
		return nil
	case nobody:
		return inbox.Errorf(inbox.Invalid, "origin "+o.String(), "its address cannot be granted: %s", name)
	default:
		return inbox.Errorf(inbox.Invalid, "origin "+o.String(), "its address is not public: %s", name).WithHint(
			fmt.Sprintf(`write private = ["%s"] in the table [http] if the plugin may reach it`, o))
	}
}

// mayBePrivate reports an address that no grant can open.
func mayBePrivate(o Origin) error {
	at, literal := o.address()
	if !literal {
		return nil
	}
	reach, name := classify(at.Addr())
	if reach != nobody {
		return nil
	}
	hint := ""
	if at.Addr().IsUnspecified() {
		hint = "write 127.0.0.1 for this machine"
	}
	return inbox.Errorf(inbox.Invalid, "origin "+o.String(), "its address cannot be granted: %s", name).WithHint(hint)
}

// Has reports whether an origin is granted.
func (g *Grant) Has(o Origin) bool { return slices.Contains(g.Allow, o) || g.private(o) }

// private reports whether an origin may have private addresses.
func (g *Grant) private(o Origin) bool { return slices.Contains(g.Private, o) }

// denies returns the error for an origin that is not granted, nil for one that is.
func (g *Grant) denies(o Origin) error {
	if g.Has(o) {
		return nil
	}
	hint := fmt.Sprintf(`grant it in NAME.toml: [http] allow = ["%s"]`, o)
	for _, other := range slices.Concat(g.Allow, g.Private) {
		if other.host == o.host {
			hint = fmt.Sprintf("%s is granted; scheme and port must be the same. %s", other, hint)
			break
		}
	}
	return inbox.Errorf(inbox.Forbidden, "", "%w: %s", ErrNotGranted, o).WithHint(hint)
}
