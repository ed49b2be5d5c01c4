package monitors

import (
	"net/url"
	"strings"
)

// Proxy is what an HTTP check reaches its target through. Its password is in Secrets.
type Proxy struct {
	URL         string `json:"url"` // canonical
	Username    string `json:"username,omitempty"`
	HasPassword bool   `json:"has_password,omitempty"`
}

// OAuth2 is the public part of the client credentials grant. The client's secret is in Credentials.
type OAuth2 struct {
	TokenURL string   `json:"token_url"` // canonical
	ClientID string   `json:"client_id"`
	Scopes   []string `json:"scopes,omitempty"`
	Audience string   `json:"audience,omitempty"`
	InBody   bool     `json:"in_body,omitempty"`
}

const (
	maxProxyText  = 255 // bytes; what SOCKS5 can carry
	maxClientID   = 1024
	maxScopes     = 64
	maxScopeBytes = 256
)

func (x *Proxy) validate(at, password string, p *problems) {
	if x == nil {
		return
	}
	if canonical, reason := canonicalProxy(x.URL); reason != "" {
		p.add(at+".url", "%s", reason)
	} else {
		x.URL = canonical
	}
	printable(at+".username", x.Username, maxProxyText, p)
	if strings.Contains(x.Username, ":") {
		p.add(at+".username", "must not hold a colon")
	}
	if password == hiddenKey {
		return
	}
	printable(at+".password", password, maxProxyText, p)
	if password != "" && x.Username == "" {
		p.add(at+".username", "is required with password")
	}
}

// canonicalProxy returns the proxy's URL as the prober will use it, or what is wrong with it.
func canonicalProxy(raw string) (canonical, problem string) {
	scheme, rest, found := strings.Cut(raw, "://")
	switch scheme = strings.ToLower(scheme); {
	case raw == "":
		return "", "is required"
	case !found || scheme != "http" && scheme != "https" && scheme != "socks5":
		return "", "must begin with http://, https:// or socks5://"
	}
	// The rest has the rules of any URL; socks5 is http in disguise.
	checked := scheme
	if scheme == "socks5" {
		checked = "http"
	}
	canonical, err := canonicalURL(checked + "://" + rest)
	if err != nil {
		return "", strings.ReplaceAll(err.Error(), "use auth", "use username and password")
	}
	u, err := url.Parse(canonical)
	switch {
	case err != nil:
		return "", "is not a URL"
	case u.Path != "" && u.Path != "/" || u.RawQuery != "":
		return "", "must be scheme, host and port only"
	case u.Port() == "":
		return "", "must have a port"
	}
	return scheme + "://" + u.Host, ""
}

func (o *OAuth2) validate(at string, p *problems) {
	if canonical, err := canonicalURL(o.TokenURL); err != nil {
		p.add(at+".token_url", "%s", err.Error())
	} else {
		o.TokenURL = canonical
	}
	if o.ClientID == "" {
		p.add(at+".client_id", "is required")
	}
	printable(at+".client_id", o.ClientID, maxClientID, p)
	printable(at+".audience", o.Audience, maxURLBytes, p)
	if len(o.Scopes) > maxScopes {
		p.add(at+".scopes", "must have at most %d entries", maxScopes)
	}
	for _, scope := range o.Scopes {
		if scope == "" || len(scope) > maxScopeBytes || strings.ContainsFunc(scope, func(r rune) bool {
			return r <= ' ' || r > '~' || r == '"' || r == '\\'
		}) {
			p.add(at+".scopes", "must be 1 to %d printable characters each, without spaces, quotes and backslashes", maxScopeBytes)
		}
	}
}
