package monitors

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// TLSConfig is where a TLS check connects.
type TLSConfig struct {
	Host      string      `json:"host"` // name or IP literal without brackets
	Port      int32       `json:"port"`
	Timeout   Millis      `json:"timeout_ms"` // for all attempts of a slot together
	IPVersion string      `json:"ip_version"`
	StartTLS  string      `json:"starttls,omitempty"` // "": none
	Options   *TLSOptions `json:"options,omitempty"`
}

// TLSOptions is how a handshake is made and what is accepted. The key of the client certificate is in Secrets.
type TLSOptions struct {
	TrustedCAs         []string `json:"trusted_cas,omitempty"` // PEM; none: the system's
	InsecureSkipVerify bool     `json:"insecure_skip_verify,omitempty"`
	ServerName         string   `json:"server_name,omitempty"` // canonical; "": the host
	MinVersion         string   `json:"min_version,omitempty"` // "": 1.2
	ClientCertificate  string   `json:"client_certificate,omitempty"`
	Revocation         string   `json:"revocation,omitempty"` // "": stapled
}

const (
	defaultTLSPort  = 443
	maxTrustedCAs   = 64
	maxPEMBytes     = 64 << 10
	startTLSNone    = "none"
	startTLSAuto    = "auto"
	pemCertificate  = "CERTIFICATE"
	minVersionNames = "tls10, tls11, tls12, tls13"
)

func (t *TLSConfig) validate(at string, clientKey string, p *problems) {
	if host, err := canonicalTCPHost(t.Host); err != nil {
		p.add(at+".host", "%s", err.Error())
	} else {
		t.Host = host
	}
	between(p, at+".port", t.Port, 1, 65535)
	between(p, at+".timeout_ms", t.Timeout, 1, maxTimeout)
	validateIPVersion(at+".ip_version", t.IPVersion, p)
	t.Options.validate(at+".options", clientKey, p)
}

// validate checks o, which may be nil. clientKey is the key of the client certificate, if it is known here.
func (o *TLSOptions) validate(at, clientKey string, p *problems) {
	if o == nil {
		return
	}
	if len(o.TrustedCAs) > maxTrustedCAs {
		p.add(at+".trusted_cas", "must have at most %d entries", maxTrustedCAs)
	}
	for i, text := range o.TrustedCAs {
		if reason := certificatesProblem(text); reason != "" {
			p.add(fmt.Sprintf("%s.trusted_cas[%d]", at, i), "%s", reason)
		}
	}
	if o.InsecureSkipVerify && len(o.TrustedCAs) > 0 {
		p.add(at+".insecure_skip_verify", "must not be true with trusted_cas: either certificates are checked or not")
	}
	if o.ServerName != "" {
		if name, err := canonicalTCPHost(o.ServerName); err != nil {
			p.add(at+".server_name", "%s", err.Error())
		} else {
			o.ServerName = name
		}
	}
	o.validateClient(at, clientKey, p)
}

func (o *TLSOptions) validateClient(at, clientKey string, p *problems) {
	switch {
	case o.ClientCertificate == "" && clientKey != "" && clientKey != hiddenKey:
		p.add(at+".client_key", "must be absent without client_certificate")
	case o.ClientCertificate == "":
	case clientKey == hiddenKey: // stored, and not changed
		if reason := certificatesProblem(o.ClientCertificate); reason != "" {
			p.add(at+".client_certificate", "%s", reason)
		}
	default:
		o.validatePair(at, clientKey, p)
	}
}

func (o *TLSOptions) validatePair(at, clientKey string, p *problems) {
	if reason := certificatesProblem(o.ClientCertificate); reason != "" {
		p.add(at+".client_certificate", "%s", reason)
		return
	}
	switch {
	case clientKey == "":
		p.add(at+".client_key", "is required with client_certificate")
	case len(clientKey) > maxPEMBytes:
		p.add(at+".client_key", "must be at most %d bytes", maxPEMBytes)
	default:
		if _, err := tls.X509KeyPair([]byte(o.ClientCertificate), []byte(clientKey)); err != nil {
			p.add(at+".client_key", "must be the unencrypted key, in PEM, of client_certificate")
		}
	}
}

// hiddenKey stands for a client key that is stored and was not opened.
const hiddenKey = "\x00"

// certificatesProblem says what is wrong with text as one or more certificates in PEM, or "".
func certificatesProblem(text string) string {
	if len(text) > maxPEMBytes {
		return fmt.Sprintf("must be at most %d bytes", maxPEMBytes)
	}
	rest, n := bytes.TrimSpace([]byte(text)), 0
	for len(rest) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != pemCertificate {
			return "must be certificates in PEM and nothing else"
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Sprintf("certificate %d cannot be read", n+1)
		}
		rest = bytes.TrimSpace(rest)
		n++
	}
	if n == 0 {
		return "must be at least one certificate in PEM"
	}
	return ""
}
