package monitors

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	maxHostBytes  = 253
	maxLabelBytes = 63
)

// canonicalHost checks a host name or IP literal (without brackets) and returns it as the prober will use it: literals in
// their shortest form, names in lower case and ASCII. Names beyond ASCII are mapped by IDNA's lookup profile, so that what
// is stored and shown is what is connected to: "１２７.0.0.1" becomes 127.0.0.1.
//
// ASCII names may hold underscores and hyphens where IDNA would not have them, because service discovery and CDNs use
// them. Names that resolvers could take for a number, such as 0x7f.1, are refused.
func canonicalHost(host string) (string, error) {
	if host == "" {
		return "", textError("is required")
	}
	if strings.Contains(host, "%") {
		return "", textError("must not hold a zone or an escape")
	}
	if strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		if err != nil {
			return "", textError("is not an IPv6 address")
		}
		return addr.String(), nil
	}
	name, err := asciiName(host)
	if err != nil {
		return "", err
	}
	if !endsInNumber(name) {
		return name, nil
	}
	addr, err := netip.ParseAddr(name)
	if err != nil {
		return "", textError("looks like a number but is not an IPv4 address")
	}
	return addr.String(), nil
}

// asciiName is host in lower-case ASCII, each label checked.
func asciiName(host string) (string, error) {
	name := strings.ToLower(host)
	if !isASCII(host) || hasPunycode(name) {
		mapped, err := idna.Lookup.ToASCII(host)
		if err != nil || !utf8.ValidString(host) {
			return "", textError("is not a valid internationalised name")
		}
		name = mapped
	}
	if len(name) > maxHostBytes {
		return "", textError("must be at most 253 bytes")
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" || len(label) > maxLabelBytes {
			return "", textError("must have labels of 1 to 63 bytes between its dots")
		}
		if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") || strings.ContainsFunc(label, notInName) {
			return "", textError("may hold letters, digits, hyphens inside, underscores and dots only")
		}
	}
	return name, nil
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f })
}

func hasPunycode(name string) bool {
	return strings.HasPrefix(name, "xn--") || strings.Contains(name, ".xn--")
}

// endsInNumber reports whether the last label is decimal or hexadecimal, by which URL parsers tell addresses from names.
func endsInNumber(name string) bool {
	name = strings.TrimSuffix(name, ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// canonicalTCPHost is canonicalHost for a field that people fill with URLs and host:port by mistake, and with IPv6
// addresses in brackets, which are taken off.
func canonicalTCPHost(host string) (string, error) {
	switch {
	case strings.ContainsAny(host, "/?#@"):
		return "", textError("must be a host name or an IP address, not a URL")
	case strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") && strings.Contains(host, ":"):
		host = host[1 : len(host)-1]
	case strings.Count(host, ":") == 1, strings.HasPrefix(host, "["):
		return "", textError("must be a host name or an IP address alone; the port goes into port")
	}
	return canonicalHost(host)
}
