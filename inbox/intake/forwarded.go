package intake

import (
	"net/http"
	"net/netip"
	"sync/atomic"
)

// forwarding remembers that a peer that is no trusted proxy named its clients.
type forwarding struct{ near, far atomic.Bool }

// Near reports whether an address may belong to the operator's own proxy: on this machine or in a private network.
func Near(a netip.Addr) bool {
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || netip.MustParsePrefix("100.64.0.0/10").Contains(a) // RFC 6598
}

// noticeForwarding warns once when a peer that is no trusted proxy names its client. The header is ignored, so that all clients
// behind the peer count as one address. Nearby and distant peers have a warning each, since any stranger can send the header.
func (h *handler) noticeForwarding(r *http.Request) {
	if r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == "" {
		return
	}
	peer, ok := parseAddress(r.RemoteAddr)
	if !ok || h.trusted(peer) {
		return
	}
	flag := &h.forwarding.far
	if Near(peer) {
		flag = &h.forwarding.near
	}
	if flag.Swap(true) {
		return
	}
	h.opt.Log.Warn("a peer that is not in trusted_proxies sends X-Forwarded-For, which is ignored; if it is your proxy, add it there", "peer", said(peer))
	h.opt.Forwarded(peer)
}
