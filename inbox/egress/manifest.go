package egress

import "inbox/inbox"

// GrantOf returns the grant of a manifest, and the origins of each of its secrets. The error is Invalid, as of [ParseGrant].
func GrantOf(h *inbox.HTTP) (Grant, map[string][]Origin, error) {
	g, err := ParseGrant(h.Allow, h.Private)
	if err != nil {
		return Grant{}, nil, err
	}
	g.Redirects, g.CAFile = h.Redirects, h.CA
	secrets := make(map[string][]Origin, len(h.Secrets))
	for _, s := range h.Secrets {
		of, err := ParseGrant(nil, s.Origins)
		if err != nil {
			return Grant{}, nil, err
		}
		secrets[s.Name] = of.Private
	}
	return g, secrets, nil
}
