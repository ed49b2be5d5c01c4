package nettest

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// target is where a check connects: a name in ASCII, or an address, and a port.
type target struct {
	host string     // name, or the address in canonical form
	addr netip.Addr // valid if host is an address
	port uint16
}

// String returns host:port, with IPv6 in brackets.
func (t target) String() string {
	return net.JoinHostPort(t.host, strconv.Itoa(int(t.port)))
}

// parseHost accepts a name or an IP literal. A name that browsers and C
// resolvers would read as an address (127.1, 0x7f000001) is refused, so that
// nothing here depends on who parses it.
func parseHost(host string) (target, string) {
	if host == "" {
		return target{}, "has no host"
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return literal(addr)
	}
	if !isASCII(host) {
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return target{}, "has a host that is not a valid international name"
		}
		host = ascii
		// Full-width digits and the like map to an address only here.
		if addr, err := netip.ParseAddr(host); err == nil {
			return literal(addr)
		}
	}
	host = strings.ToLower(host)
	if problem := checkName(host); problem != "" {
		return target{}, problem
	}
	return target{host: host}, ""
}

func literal(addr netip.Addr) (target, string) {
	addr = addr.Unmap()
	for _, c := range []byte(addr.Zone()) {
		if !isAlnum(c) && c != '-' && c != '_' && c != '.' {
			return target{}, "has a zone that is not the name of a device"
		}
	}
	return target{host: addr.String(), addr: addr}, ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// checkName checks the grammar of a host name: labels of 1 to 63 letters,
// digits, hyphens and underscores (which real hosts use), 253 bytes at most.
func checkName(name string) string {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > 253 {
		return "has a host name that is empty or longer than 253 bytes"
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return "has a host name with a label that is empty or longer than 63 bytes"
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return "has a host name with a label that starts or ends with a hyphen"
		}
		for i := range len(label) {
			if c := label[i]; !isAlnum(c) && c != '-' && c != '_' {
				return "has a host with a character that host names cannot have"
			}
		}
		last = label
	}
	if looksNumeric(last) {
		return "has a host that looks like an IP address but is not one"
	}
	return ""
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func looksNumeric(label string) bool {
	if rest, hex := strings.CutPrefix(label, "0x"); hex {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// parsePort accepts 1 to 65535 in plain decimal.
func parsePort(s string) (uint16, bool) {
	if s == "" || len(s) > 5 || s[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil && n != 0
}

// checkFamily refuses a literal of the other family than the one asked for.
func checkFamily(t target, v IPVersion) string {
	switch v {
	case "", IPAny:
	case IPv4:
		if t.addr.IsValid() && !t.addr.Is4() {
			return "is ipv4 but the address is IPv6"
		}
	case IPv6:
		if t.addr.IsValid() && t.addr.Is4() {
			return "is ipv6 but the address is IPv4"
		}
	default:
		return `must be "any", "ipv4" or "ipv6"`
	}
	return ""
}

// checkCommon checks what every test's TestConfig shares.
func checkCommon(config TestConfig, protocols ...string) error {
	if config.Timeout < 0 {
		return &ConfigError{"Timeout", "must be positive"}
	}
	if err := config.DNS.check(); err != nil {
		return err
	}
	if config.Protocol == "" {
		return nil
	}
	for _, p := range protocols {
		if strings.EqualFold(config.Protocol, p) {
			return nil
		}
	}
	return &ConfigError{"Protocol", "must be " + protocols[0]}
}

func timeoutOf(config TestConfig) time.Duration {
	if config.Timeout == 0 {
		return DefaultTimeout
	}
	return config.Timeout
}
