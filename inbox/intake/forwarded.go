package intake

import (
	"net/http"
	"net/netip"
	"sync/atomic"
)

// forwarding remembers that somebody who is no trusted proxy spoke for others.
type forwarding struct{ near, far atomic.Bool }

// Near reports whether an address may be that of the operator's own proxy: on this machine or in a private network.
func Near(a netip.Addr) bool {
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || netip.MustParsePrefix("100.64.0.0/10").Contains(a) // RFC 6598
}

// noticeForwarding warns once when a peer that is no trusted proxy names the client it speaks for. It is not believed, so
// that all clients behind it count as one address. Peers nearby and far away have a warning each: any stranger can send
// the header.
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
	h.opt.Log.Warn("a peer that is not in trusted_proxies says for whom it speaks, and is not believed; if it is your proxy, name it there", "peer", said(peer))
	h.opt.Forwarded(peer)
}
