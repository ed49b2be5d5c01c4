package monitors

// TCPConfig is where a TCP check connects, and what is said there.
type TCPConfig struct {
	Host         string      `json:"host"` // name or IP literal without brackets
	Port         int32       `json:"port"`
	Timeout      Millis      `json:"timeout_ms"`
	IPVersion    string      `json:"ip_version"`
	SendData     string      `json:"send_data,omitempty"`
	ExpectedData string      `json:"expected_data,omitempty"`
	Banner       bool        `json:"banner,omitempty"`
	TLS          bool        `json:"tls,omitempty"`
	StartTLS     string      `json:"starttls,omitempty"` // "": auto; only with TLS
	TLSOptions   *TLSOptions `json:"tls_options,omitempty"`
}

// maxDialogue bounds what is sent and expected: a check reads no more than 4096 bytes.
const maxDialogue = 4096

func (t *TCPConfig) validate(at, clientKey string, p *problems) {
	if host, err := canonicalTCPHost(t.Host); err != nil {
		p.add(at+".host", "%s", err.Error())
	} else {
		t.Host = host
	}
	between(p, at+".port", t.Port, 1, 65535)
	between(p, at+".timeout_ms", t.Timeout, 1, maxTimeout)
	validateIPVersion(at+".ip_version", t.IPVersion, p)
	if len(t.SendData) > maxDialogue {
		p.add(at+".send_data", "must be at most %d bytes", maxDialogue)
	}
	switch {
	case len(t.ExpectedData) > maxDialogue:
		p.add(at+".expected_data", "must be at most %d bytes", maxDialogue)
	case t.ExpectedData != "" && t.Banner:
		p.add(at+".banner", "must not be true with expected_data, which reads the same bytes")
	}
	if t.TLS {
		t.TLSOptions.validate(at+".tls_options", clientKey, p)
		return
	}
	if t.StartTLS != "" {
		p.add(at+".starttls", "must be absent unless tls is true")
	}
	if t.TLSOptions != nil {
		p.add(at+".tls_options", "must be absent unless tls is true")
	}
}
