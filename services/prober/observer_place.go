package prober

import (
	"net/netip"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// place is which part of the world an address stands for: what answers in one proves nothing about another.
type place uint8

const (
	here     place = iota // this machine: no network is involved
	private4              // networks of one's own
	private6
	public4
	public6
	everywhere // no address is known
	places
)

func placeOf(a netip.Addr) place {
	if a.Is4() {
		return place4(a.As4())
	}
	switch {
	case !a.IsValid():
		return everywhere
	case a.Is4In6():
		return place4(a.Unmap().As4())
	case a.IsLoopback():
		return here
	case a.IsPrivate(), a.IsLinkLocalUnicast():
		return private6
	}
	return public6
}

func place4(b [4]byte) place {
	switch {
	case b[0] == 127:
		return here
	case b[0] == 10, b[0] == 172 && b[1]&0xf0 == 16, b[0] == 192 && b[1] == 168, b[0] == 169 && b[1] == 254, b[0] == 100 && b[1]&0xc0 == 64:
		return private4
	}
	return public4
}

func placeOfText(s string) place {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return everywhere
	}
	return placeOf(a)
}

func (p place) private() bool { return p == private4 || p == private6 }

func (p place) public() bool { return p == public4 || p == public6 || p == everywhere }

// in says whether an address there may be of a family.
func (p place) in(v nettest.IPVersion) bool {
	switch p {
	case private4, public4:
		return v == nettest.IPv4
	case private6, public6:
		return v == nettest.IPv6
	}
	return p == everywhere
}
