package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"inbox/inbox"
)

// refusedAddress is why an address was not dialled. It does not hold the address: what a private name resolves to is not
// for plugins.
type refusedAddress struct {
	reach reach
	name  string
}

// Error names the kind of address, with its source.
func (r *refusedAddress) Error() string { return ErrAddress.Error() + ": " + r.name }

// Unwrap returns [ErrAddress].
func (r *refusedAddress) Unwrap() error { return ErrAddress }

// gate decides on addresses at the moment they are dialled. Names were looked up before it, so that a name server that changes
// its answer changes nothing.
type gate struct {
	private  bool                    // whether private addresses pass
	literal  map[netip.AddrPort]bool // addresses that are written in the grant
	classify func(netip.Addr) (reach, string)
}

// control is the hook of [net.Dialer.ControlContext]: it runs for each address, on the socket, before connect. An error keeps the
// socket from connecting. An address that cannot be read is refused.
func (g *gate) control(ctx context.Context, network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return &refusedAddress{nobody, "the network " + inbox.Printable(network)}
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return &refusedAddress{nobody, "no address"}
	}
	r, name := g.classify(at.Addr())
	if !g.passes(r, at) {
		return &refusedAddress{r, name}
	}
	dialled(ctx)
	return nil
}

// passes reports whether an address that needs a grant has it.
func (g *gate) passes(r reach, at netip.AddrPort) bool {
	switch r {
	case public:
		return true
	case private:
		return g.private
	case byAddress:
		return g.private && g.literal[netip.AddrPortFrom(at.Addr().Unmap(), at.Port())]
	}
	return false
}

// dialer returns the dialer of a gate; nil passes every address, which is for proxies.
func (o *Options) dialer(g *gate) *net.Dialer {
	d := &net.Dialer{Timeout: o.Limits.Dial, Resolver: o.Resolver}
	if g != nil {
		d.ControlContext = g.control
	}
	return d
}

// literals returns the addresses that are written in the list private.
func (g *Grant) literals() map[netip.AddrPort]bool {
	all := map[netip.AddrPort]bool{}
	for _, o := range g.Private {
		if at, ok := o.address(); ok {
			all[at] = true
		}
	}
	return all
}

// hint says how to grant the address to an origin; empty where no grant opens it.
func (r *refusedAddress) hint(o Origin) string {
	_, literal := o.address()
	switch {
	case r.reach == nobody:
		return ""
	case r.reach == byAddress && !literal:
		return "such an address is granted only where the origin is written as the address itself"
	}
	return fmt.Sprintf(`if the plugin may reach it, write private = ["%s"] in the table [http] of its NAME.toml`, o)
}
