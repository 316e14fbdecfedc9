package intake

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// address returns the client's address: that of the connection, or, behind a trusted proxy, the last address in
// X-Forwarded-For that is no trusted proxy. It is the zero address for a connection without one, as over a Unix socket.
func (h *handler) address(r *http.Request) netip.Addr {
	addr, ok := parseAddress(r.RemoteAddr)
	if !ok || !h.trusted(addr) {
		return addr
	}
	chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(chain) {
		next, ok := parseAddress(strings.TrimSpace(hop))
		if !ok {
			break
		}
		if addr = next; !h.trusted(addr) {
			break
		}
	}
	return addr
}

// HolderOf returns the address under which bytes and connections are counted. An IPv6 sender has a whole /64, so that its
// addresses count as one (RFC 6177).
func HolderOf(a netip.Addr) netip.Addr {
	if a = a.Unmap().WithZone(""); !a.Is6() {
		return a
	}
	prefix, _ := a.Prefix(64) // an IPv6 address always has one
	return prefix.Addr()
}

// parseAddress reads an address with or without a port.
func parseAddress(s string) (netip.Addr, bool) {
	if both, err := netip.ParseAddrPort(s); err == nil {
		return both.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(s)
	return addr.Unmap().WithZone(""), err == nil
}

func (h *handler) trusted(a netip.Addr) bool { return h.opt.Trusts(a) }

// Trusts reports whether an address belongs to a proxy whose X-Forwarded-For is trusted.
func (o *Options) Trusts(a netip.Addr) bool {
	return slices.ContainsFunc(o.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// said returns an address as it is stored and logged; empty for the zero address.
func said(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
