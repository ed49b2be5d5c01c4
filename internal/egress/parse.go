package egress

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// ParsePolicy reads a policy from the values of a flag: "public-only" or "private", at most one of them, and any number of
// "allow CIDR…" and "deny CIDR…". Values may be joined with commas, spaces or "=", as in "private,deny=10.1.0.0/16"; a
// single address stands for itself. No value is PublicOnly.
func ParsePolicy(values []string) (*Policy, error) {
	p := &Policy{}
	var mode string
	for _, value := range values {
		var list *[]netip.Prefix
		for _, word := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" ,=\t", r) }) {
			switch word {
			case PublicOnly.String(), Private.String():
				if mode != "" && mode != word {
					return nil, fmt.Errorf("egress: both %s and %s", mode, word)
				}
				mode, list = word, nil
				if word == Private.String() {
					p.Mode = Private
				}
			case "allow":
				list = &p.Allow
			case "deny":
				list = &p.Deny
			default:
				if list == nil {
					return nil, fmt.Errorf("egress: %q is none of public-only, private, allow CIDR, deny CIDR", word)
				}
				prefix, err := parsePrefix(word)
				if err != nil {
					return nil, err
				}
				*list = append(*list, prefix)
			}
		}
	}
	return p, nil
}

func parsePrefix(word string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(word); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(word)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("egress: %q is neither an address nor a CIDR", word)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("egress: %s has bits beyond its prefix; did you mean %s?", p, p.Masked())
	}
	return p, nil
}

// String is the policy as ParsePolicy reads it.
func (p *Policy) String() string {
	words := []string{p.Mode.String()}
	add := func(word string, prefixes []netip.Prefix) {
		if len(prefixes) == 0 {
			return
		}
		words = append(words, word)
		for _, prefix := range prefixes {
			words = append(words, prefix.String())
		}
	}
	add("allow", p.Allow)
	add("deny", p.Deny)
	return strings.Join(words, " ")
}

// OwnAddresses lists the addresses of this host's interfaces, for Deny: a hosted prober's public address would otherwise
// lead back to it. The list is of the moment.
func OwnAddresses() ([]netip.Prefix, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("egress: own addresses: %w", err)
	}
	var out []netip.Prefix
	for _, a := range addrs {
		ipnet, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if addr, ok := netip.AddrFromSlice(ipnet.IP); ok {
			addr = addr.Unmap()
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return out, nil
}
