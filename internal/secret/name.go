package secret

import "strings"

// sensitive words end the names of things that hold credentials.
var sensitive = []string{
	"password", "passwd", "passphrase", "secret", "token", "authorization", "cookie", "cookies",
	"apikey", "accesskey", "privatekey", "credential", "credentials",
}

// Sensitive reports whether a field, header or log key of this name is taken to hold a credential, whatever its spelling:
// "password", "X-Api-Key", "accessToken", "proxy_authorization". It is a net under secret.String, not a replacement.
func Sensitive(name string) bool {
	plain := strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(strings.ToLower(name))
	for _, word := range sensitive {
		if strings.HasSuffix(plain, word) {
			return true
		}
	}
	return false
}
