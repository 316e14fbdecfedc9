package egress

import (
	"net/http"
	"slices"

	"inbox/inbox"
)

// redirect returns where a response sends its client to; empty for a final response. As in net/http, only 301, 302, 303, 307
// and 308 with a Location are redirects.
func redirect(resp *http.Response) string {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location")
	}
	return ""
}

// hop changes an exchange to the next hop, under the same rules as the first. As in net/http, 307 and 308 repeat method and body;
// the others become GET without a body, except that HEAD stays HEAD. Where the origin changes, Authorization and Cookie are
// dropped, and so are secrets that were not granted for the new origin. What was dropped does not return at a later hop: the
// server between would choose the url that it is sent to. No Referer and no cookies are sent.
func (c *Client) hop(x *exchange, status int, location string) error {
	from := *x
	next, err := x.url.Parse(location)
	if err == nil {
		err = x.address(next.String())
	}
	if err != nil {
		return inbox.Errorf(inbox.Unavailable, "", "the receiver redirects to a url that cannot be used")
	}
	x.hops++
	if err := c.grant.denies(x.origin); err != nil {
		to := maskOf(x.known).hide([]byte(x.origin.String()), maxURL) // the receiver chose it
		x.method, x.origin = from.method, from.origin                 // the operation in the error
		return inbox.Errorf(inbox.Forbidden, "", "%w to %s: %w", ErrRedirect, to, err)
	}
	if status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect {
		x.becomeGet()
	}
	if x.origin != from.origin {
		x.header.Del("Authorization")
		x.header.Del("Cookie")
		x.secret = slices.DeleteFunc(x.secret, func(h secretHeader) bool {
			return slices.ContainsFunc(h.secrets, func(s Secret) bool { return !s.GrantedFor(x.origin) })
		})
	}
	return nil
}

// becomeGet drops the body with all that describes it.
func (x *exchange) becomeGet() {
	if x.method != http.MethodHead {
		x.method = http.MethodGet
	}
	x.body = nil
	dropBody(x.header)
	x.secret = slices.DeleteFunc(x.secret, func(h secretHeader) bool { return h.ofBody })
}
