package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"inbox/inbox"
)

// Origin is a scheme, a host and a port (RFC 6454): the unit of every grant. Two origins are equal by == when all three are.
// The zero value is no origin.
type Origin struct {
	scheme string // "http" or "https"
	host   string // lower case, without a trailing dot; an IPv6 address has no brackets
	port   uint16
}

// maxOrigin is the longest text of an origin, in bytes: a DNS name has at most 253.
const maxOrigin = 300

// ParseOrigin reads an origin as an operator grants it: "https://api.example.com", with a port where it is not the scheme's own, and
// nothing after it. Letters are folded to lower case and one dot at the end of the host is removed. IPv6 addresses are in
// brackets. A host that ends in a number must be an IPv4 address of four decimal numbers, since resolvers read 0x7f.1,
// 2130706433 and 0177.0.0.1 as addresses too. A name in other letters than ASCII must be in punycode. The error is Invalid,
// with a hint.
func ParseOrigin(text string) (Origin, error) {
	err := mistake(text)
	if err == nil {
		u, bad := url.Parse(text)
		if bad != nil {
			err = invalid("", "it is not a url")
		} else if o, bad := originOf(u); bad == nil {
			return o, nil
		} else {
			err = bad
		}
	}
	hint := inbox.HintOf(err)
	or(&hint, `write it as "https://api.example.com" or "https://api.example.com:8443"`)
	return Origin{}, inbox.Errorf(inbox.Invalid, "origin "+quoted(text), "%w", err).WithHint(hint)
}

// mistake returns what is wrong with the text of an origin before it is read as a url: a url may have more parts.
func mistake(text string) error {
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case text == "":
		return invalid("", "it is empty")
	case len(text) > maxOrigin:
		return invalid("", fmt.Sprintf("it has %d bytes, more than %d", len(text), maxOrigin))
	case strings.Contains(text, "*"):
		return invalid("write each origin in full", "a pattern is no origin")
	case !found && !strings.Contains(text, "/"):
		return invalid(`write "https://`+inbox.Printable(text)+`"`, "it has no scheme")
	case !web(scheme):
		return invalid("", "its scheme is neither http nor https")
	case strings.Contains(rest, "@"):
		return invalid("put credentials into a secret", "it has a user name")
	}
	if authority, _, more := cutAny(rest, "/?#\\"); more {
		return invalid(`write "`+scheme+"://"+inbox.Printable(authority)+`"`, "it has a path, a query or a fragment: all paths of an origin are granted together")
	}
	return nil
}

// web reports whether a scheme is one of the two that are sent.
func web(scheme string) bool {
	return strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")
}

// cutAny is strings.Cut at the first byte of a set.
func cutAny(text, set string) (before, after string, found bool) {
	if i := strings.IndexAny(text, set); i >= 0 {
		return text[:i], text[i+1:], true
	}
	return text, "", false
}

// originOf returns the origin of a url. Errors have no operation, and never show the url.
func originOf(u *url.URL) (Origin, error) {
	scheme := strings.ToLower(u.Scheme)
	if !web(scheme) {
		return Origin{}, invalid("write http:// or https://", "its scheme is neither http nor https")
	}
	host, err := hostOf(u.Hostname())
	if err != nil {
		return Origin{}, err
	}
	port := ownPort(scheme)
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 || strings.HasPrefix(text, "0") {
			return Origin{}, invalid("write a port from 1 to 65535", "its port is not a number from 1 to 65535")
		}
		port = uint16(n)
	}
	return Origin{scheme: scheme, host: host, port: port}, nil
}

func invalid(hint, text string) error {
	return (&inbox.Error{Kind: inbox.Invalid, Err: errors.New(text)}).WithHint(hint)
}

// hostOf returns the one spelling of a host name or address.
func hostOf(host string) (string, error) {
	for i := range len(host) {
		if host[i] >= 0x80 {
			return "", invalid("write the name as DNS has it, in punycode (xn--…)", "its host has letters that are not ASCII")
		}
	}
	host = strings.ToLower(host)
	if strings.Contains(host, ":") {
		return addressOf(host)
	}
	host = strings.TrimSuffix(host, ".")
	switch last := host[strings.LastIndexByte(host, '.')+1:]; {
	case host == "":
		return "", invalid("write a host name after the scheme", "it has no host")
	case number(last):
		return addressOf(host)
	case len(host) > 253:
		return "", invalid("", "its host has more than 253 bytes")
	}
	for label := range strings.SplitSeq(host, ".") {
		if !labelOK(label) {
			return "", invalid("write a host name of letters, digits, hyphens and dots", "its host is not a name that DNS can have")
		}
	}
	return host, nil
}

// addressOf returns the canonical text of an address (RFC 5952 for IPv6).
func addressOf(host string) (string, error) {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil && !strings.Contains(host, ":"):
		return "", invalid("write an IPv4 address as four decimal numbers without leading zeros", "its host ends in a number, but is no IPv4 address")
	case err != nil:
		return "", invalid("write an IPv6 address in brackets, as in https://[2001:db8::1]", "its host is no IPv6 address")
	case addr.Zone() != "":
		return "", invalid("write the address without %", "its address has a zone")
	case addr.Is4In6():
		return "", invalid("write "+addr.Unmap().String(), "its address is IPv4 written as IPv6")
	}
	return addr.String(), nil
}

// number reports whether a resolver may read a label as a number (WHATWG URL Standard, "ends in a number").
func number(label string) bool {
	digits, set := label, "0123456789"
	if rest, hex := strings.CutPrefix(label, "0x"); hex {
		digits, set = rest, "0123456789abcdef"
	}
	return label != "" && strings.Trim(digits, set) == ""
}

// labelOK reports whether a label has letters, digits, hyphens and underscores only (RFC 1123, section 2.1). Names of containers
// have underscores.
func labelOK(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

func ownPort(scheme string) uint16 {
	if scheme == "https" {
		return 443
	}
	return 80
}

// String returns the one spelling of the origin. The scheme's own port is left out.
func (o Origin) String() string {
	if o == (Origin{}) {
		return ""
	}
	return o.scheme + "://" + o.authority()
}

// authority returns host and port as a url and the header Host have them.
func (o Origin) authority() string {
	host := o.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.port == ownPort(o.scheme) {
		return host
	}
	return net.JoinHostPort(o.host, strconv.Itoa(int(o.port)))
}

// address returns the address and port of an origin whose host is an address.
func (o Origin) address() (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(o.host)
	return netip.AddrPortFrom(addr, o.port), err == nil
}

// quoted returns text from outside for an error: printable, in quotes, at most 80 characters.
func quoted(text string) string {
	r := []rune(inbox.Printable(text))
	if len(r) > 80 {
		r = append(r[:79], '…')
	}
	return strconv.Quote(string(r))
}
