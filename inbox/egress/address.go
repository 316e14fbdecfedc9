package egress

import "net/netip"

// reach says which grant an address needs.
type reach int

const (
	public    reach = iota // any granted origin may have it
	private                // an origin of the list private may have it
	byAddress              // only an origin of the list private that is written as this address may have it
	nobody                 // no grant opens it
)

// block is a range of special addresses.
type block struct {
	prefix netip.Prefix
	reach  reach
	name   string // with its source
}

// special lists the addresses that are not simply public. The first block that contains an address decides. The sources are
// the IANA IPv4 and IPv6 Special-Purpose Address Registries (https://www.iana.org/assignments/iana-ipv4-special-registry,
// https://www.iana.org/assignments/iana-ipv6-special-registry, that of IPv6 as of 2025-10-09) and, for the metadata of clouds,
// their manuals. Of IPv6, only 2000::/3 is assigned as unicast: all other addresses are refused, named here or not.
//
// Globally reachable blocks of the registries that stay public: 192.31.196.0/24 and 192.175.48.0/24 (AS112, RFC 7535, RFC 7534),
// 192.52.193.0/24 (AMT, RFC 7450), 2620:4f:8000::/48 (AS112, RFC 7534).
var special = []block{
	// Metadata of clouds: credentials of the machine, without a password.
	{netip.MustParsePrefix("100.100.100.200/32"), byAddress, "metadata of Alibaba Cloud"},
	{netip.MustParsePrefix("168.63.129.16/32"), byAddress, "metadata of Azure"},
	{netip.MustParsePrefix("fd00:ec2::254/128"), byAddress, "metadata of AWS"},
	{netip.MustParsePrefix("fd20:ce::254/128"), byAddress, "metadata of Google Cloud"},
	{netip.MustParsePrefix("169.254.0.0/16"), byAddress, "link-local, where clouds have their metadata (RFC 3927)"},

	{netip.MustParsePrefix("0.0.0.0/8"), nobody, "this network (RFC 791, section 3.2)"},
	{netip.MustParsePrefix("10.0.0.0/8"), private, "private (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), private, "shared address space of carriers (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), private, "loopback (RFC 1122, section 3.2.1.3)"},
	{netip.MustParsePrefix("172.16.0.0/12"), private, "private (RFC 1918)"},
	{netip.MustParsePrefix("192.0.0.0/24"), byAddress, "IETF protocol assignments (RFC 6890, section 2.1)"},
	{netip.MustParsePrefix("192.0.2.0/24"), nobody, "documentation (RFC 5737)"},
	{netip.MustParsePrefix("192.88.99.0/24"), nobody, "6to4 relays, deprecated (RFC 7526)"},
	{netip.MustParsePrefix("192.168.0.0/16"), private, "private (RFC 1918)"},
	{netip.MustParsePrefix("198.18.0.0/15"), private, "benchmarking (RFC 2544)"},
	{netip.MustParsePrefix("198.51.100.0/24"), nobody, "documentation (RFC 5737)"},
	{netip.MustParsePrefix("203.0.113.0/24"), nobody, "documentation (RFC 5737)"},
	{netip.MustParsePrefix("224.0.0.0/4"), nobody, "multicast (RFC 1112, section 4)"},
	{netip.MustParsePrefix("255.255.255.255/32"), nobody, "broadcast (RFC 919, section 7)"},
	{netip.MustParsePrefix("240.0.0.0/4"), nobody, "reserved (RFC 1112, section 4)"},

	{netip.MustParsePrefix("::/128"), nobody, "unspecified (RFC 4291)"},
	{netip.MustParsePrefix("::1/128"), private, "loopback (RFC 4291)"},
	{netip.MustParsePrefix("::/96"), nobody, "IPv4-compatible, deprecated (RFC 4291, section 2.5.5.1)"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), byAddress, "NAT64 for local use (RFC 8215)"},
	{netip.MustParsePrefix("100::/64"), nobody, "discard only (RFC 6666)"},
	{netip.MustParsePrefix("100:0:0:1::/64"), nobody, "dummy prefix (RFC 9780)"},
	{netip.MustParsePrefix("2001::/32"), nobody, "Teredo (RFC 4380)"},
	{netip.MustParsePrefix("2001:2::/48"), private, "benchmarking (RFC 5180)"},
	{netip.MustParsePrefix("2001:10::/28"), nobody, "ORCHID, deprecated (RFC 4843)"},
	{netip.MustParsePrefix("2001:20::/28"), nobody, "ORCHIDv2 (RFC 7343)"},
	{netip.MustParsePrefix("2001::/23"), nobody, "IETF protocol assignments (RFC 2928)"},
	{netip.MustParsePrefix("2001:db8::/32"), nobody, "documentation (RFC 3849)"},
	{netip.MustParsePrefix("2002::/16"), nobody, "6to4 (RFC 3056)"},
	{netip.MustParsePrefix("3fff::/20"), nobody, "documentation (RFC 9637)"},
	{netip.MustParsePrefix("5f00::/16"), nobody, "segment identifiers (RFC 9602)"},
	{netip.MustParsePrefix("fc00::/7"), private, "unique local (RFC 4193)"},
	{netip.MustParsePrefix("fe80::/10"), byAddress, "link-local (RFC 4291)"},
	{netip.MustParsePrefix("fec0::/10"), private, "site-local, deprecated (RFC 3879)"},
	{netip.MustParsePrefix("ff00::/8"), nobody, "multicast (RFC 4291)"},
}

var (
	nat64   = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052, section 2.1
	unicast = netip.MustParsePrefix("2000::/3")     // RFC 4291, section 2.4, and IANA's registry of the IPv6 address space
)

// classify returns which grant an address needs, and why, with the source. The name of a public address is empty. An IPv4
// address inside an IPv6 one decides for it: IPv4-mapped (RFC 4291, section 2.5.5.2), NAT64 (RFC 6052) and ISATAP (RFC 5214,
// section 6.1).
func classify(addr netip.Addr) (reach, string) {
	addr = addr.WithZone("").Unmap()
	if !addr.IsValid() {
		return nobody, "no address"
	}
	if inner, ok := embedded(addr); ok {
		if r, name := classify(inner); r != public {
			return r, "an IPv6 address for IPv4 of the kind " + name
		}
	}
	for i := range special {
		if special[i].prefix.Contains(addr) {
			return special[i].reach, special[i].name
		}
	}
	if addr.Is6() && !unicast.Contains(addr) && !nat64.Contains(addr) {
		return nobody, "not assigned (RFC 4291, section 2.4)"
	}
	return public, ""
}

// embedded returns the IPv4 address to which a gateway of the network sends an IPv6 packet.
func embedded(addr netip.Addr) (netip.Addr, bool) {
	if !addr.Is6() {
		return netip.Addr{}, false
	}
	b := addr.As16()
	isatap := b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe && unicast.Contains(addr)
	return netip.AddrFrom4([4]byte(b[12:])), isatap || nat64.Contains(addr)
}
