package egress_test

import (
	"net/netip"
	"testing"

	"inbox/inbox/egress"
)

func TestEverySpecialAddressNeedsTheGrantThatTheTableSays(t *testing.T) {
	t.Parallel()
	for reach, addresses := range map[egress.Reach][]string{
		egress.Public: {
			"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255",
			"169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.31.196.1", "192.52.193.1", "192.167.255.255", "192.169.0.0",
			"192.175.48.1", "198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:1.1.1.1",
			"2606:4700:4700::1111", "2620:4f:8000::1", "2001:200::1", "2003::1", "3ffe:ffff::1", "2a00::1",
			"64:ff9b::1.1.1.1", "2a00::5efe:1.1.1.1", "2a00::200:5efe:1.1.1.1",
		},
		egress.Private: {
			"10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.255", "172.16.0.0", "172.31.255.255",
			"192.168.0.1", "198.18.0.0", "198.19.255.255", "::1", "fc00::1", "fdff::1", "fec0::1", "2001:2::1",
			"::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "2a00::5efe:192.168.1.1", "2a00::200:5efe:10.1.1.1",
		},
		egress.ByAddress: {
			"169.254.169.254", "169.254.0.0", "169.254.255.255", "fe80::1", "febf::1", "fe80::1%eth0", "100.100.100.200", "168.63.129.16",
			"fd00:ec2::254", "fd20:ce::254", "192.0.0.1", "192.0.0.192", "64:ff9b:1::1", "64:ff9b:1:ffff::169.254.169.254",
			"::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b::a9fe:a9fe",
		},
		egress.Nobody: {
			"0.0.0.0", "0.255.255.255", "192.0.2.1", "192.88.99.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
			"240.0.0.1", "255.255.255.255", "::", "::2", "::10.0.0.1", "::1.1.1.1", "::ffff:0.0.0.0", "::ffff:0:1.1.1.1", "100::1",
			"100:0:0:1::1", "2001::1", "2001:0:4136:e378::1", "2001:1::1", "2001:3::1", "2001:10::1", "2001:2f:ffff::1", "2001:1ff::1",
			"2001:db8::1", "2002:a00:1::1", "2002:101:101::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "ff02::1", "fe00::1", "f000::1",
			"64:ff9b::0.0.0.0", "64:ff9b::224.0.0.1", "64:ff9a::1", "1::1",
		},
	} {
		for _, text := range addresses {
			if got, name := egress.Classify(netip.MustParseAddr(text)); got != reach || (name == "") != (reach == egress.Public) {
				t.Errorf("%s: %d %q, want %d", text, got, name, reach)
			}
		}
	}
	if got, _ := egress.Classify(netip.Addr{}); got != egress.Nobody {
		t.Errorf("no address: %d", got)
	}
}

// FuzzClassify checks that no address that net/netip knows to be special is public, in whatever IPv6 form it is dialled.
func FuzzClassify(f *testing.F) {
	for _, seed := range []string{"10.0.0.1", "127.0.0.1", "169.254.169.254", "224.0.0.1", "1.1.1.1", "0.0.0.0"} {
		four := netip.MustParseAddr(seed).As4()
		f.Add(four[:])
	}
	six := netip.MustParseAddr("fe80::1").As16()
	f.Add(six[:])
	f.Fuzz(func(t *testing.T, raw []byte) {
		addr, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		forms := []netip.Addr{addr}
		if plain := addr.Unmap(); plain.Is4() {
			four := plain.As4()
			mapped, nat := netip.AddrFrom16(plain.As16()), netip.MustParseAddr("64:ff9b::").As16()
			copy(nat[12:], four[:])
			forms, addr = append(forms, mapped, netip.AddrFrom16(nat)), plain
		}
		closed := addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified()
		for _, form := range forms {
			if r, _ := egress.Classify(form); closed && r == egress.Public {
				t.Errorf("%s is public", form)
			}
		}
	})
}
