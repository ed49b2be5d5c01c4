package nettest

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strings"
)

// digest is a challenge that is being answered (RFC 7616).
type digest struct {
	algorithm string // as the server wrote it; empty if it did not
	hash      func() hash.Hash
	session   bool
	realm     string
	nonce     string
	opaque    string
	hasOpaque bool
	qop       string // "auth", "auth-int", or "" for RFC 2069
	userhash  bool
	stale     bool
	count     uint32
	cnonce    string
}

// digestHashes are in the order of preference.
var digestHashes = []struct {
	name string
	new  func() hash.Hash
}{
	{"SHA-512-256", sha512.New512_256},
	{"SHA-256", sha256.New},
	{"MD5", md5.New}, //nolint:gosec // what most servers speak
}

// proveByDigest asks, answers the challenge and, if the server says that only
// its nonce was too old, answers once more.
func (r *httpRun) proveByDigest(h *hop) (*response, *failure) {
	for tries := 0; ; tries++ {
		resp, failed := r.request(h)
		if failed != nil || resp.code != http.StatusUnauthorized {
			return resp, failed
		}
		next, problem := findDigest(resp.fields)
		switch {
		case problem != "":
			r.warn("digest authentication: " + problem)
			return resp, nil
		case tries > 0 && (!next.stale || tries > 1 || r.digest == nil || next.nonce == r.digest.nonce):
			return resp, nil // the credentials themselves are refused
		}
		r.keepCookies(h.url, resp)
		resp.close(true)
		next.cnonce = rand.Text()
		r.digest = next
	}
}

// findDigest picks the challenge with the best algorithm. problem says why there
// is none.
func findDigest(fields []HeaderField) (d *digest, problem string) {
	best := len(digestHashes)
	problem = "the server does not ask for it"
	for _, f := range fields {
		if !strings.EqualFold(f.Name, "WWW-Authenticate") {
			continue
		}
		for _, c := range parseChallenges(f.Value) {
			if !strings.EqualFold(c.scheme, "Digest") {
				continue
			}
			candidate, rank, why := readDigest(c)
			switch {
			case why != "" && d == nil:
				problem = why
			case why == "" && rank < best:
				d, best, problem = candidate, rank, ""
			}
		}
	}
	return d, problem
}

func readDigest(c challenge) (d *digest, rank int, problem string) {
	d = &digest{
		algorithm: c.params["algorithm"], realm: c.params["realm"], nonce: c.params["nonce"],
		userhash: strings.EqualFold(c.params["userhash"], "true"), stale: strings.EqualFold(c.params["stale"], "true"),
	}
	d.opaque, d.hasOpaque = c.params["opaque"]
	if d.nonce == "" {
		return nil, 0, "the server's challenge has no nonce"
	}
	name := strings.ToUpper(d.algorithm)
	if name == "" {
		name = "MD5"
	}
	name, d.session = strings.CutSuffix(name, "-SESS")
	rank = slices.IndexFunc(digestHashes, func(h struct {
		name string
		new  func() hash.Hash
	}) bool {
		return h.name == name
	})
	if rank < 0 {
		return nil, 0, "the server asks for an algorithm that is not MD5, SHA-256 or SHA-512-256"
	}
	d.hash = digestHashes[rank].new
	if offered, ok := c.params["qop"]; ok {
		for q := range strings.SplitSeq(strings.ToLower(offered), ",") {
			switch q = strings.Trim(q, " \t"); {
			case q == "auth", q == "auth-int" && d.qop == "":
				d.qop = q
			}
		}
		if d.qop == "" {
			return nil, 0, "the server asks for a quality of protection that is neither auth nor auth-int"
		}
	}
	return d, rank, ""
}

// answer is the value of Authorization for h. Each use counts.
func (d *digest) answer(h *hop, a Auth) string {
	d.count++
	uri := h.url.RequestURI()
	sum := func(parts ...string) string {
		digester := d.hash()
		_, _ = digester.Write([]byte(strings.Join(parts, ":"))) // a hash never fails
		return hex.EncodeToString(digester.Sum(nil))
	}
	secret := sum(a.Username, d.realm, a.Password)
	if d.session {
		secret = sum(secret, d.nonce, d.cnonce)
	}
	request := sum(h.method, uri)
	if d.qop == "auth-int" {
		request = sum(h.method, uri, sum(h.body))
	}
	nc := fmt.Sprintf("%08x", d.count)
	var response string
	if d.qop == "" {
		response = sum(secret, d.nonce, request)
	} else {
		response = sum(secret, d.nonce, nc, d.cnonce, d.qop, request)
	}

	var b strings.Builder
	b.WriteString("Digest ")
	switch {
	case d.userhash:
		b.WriteString("username=" + quoted(sum(a.Username, d.realm)))
	case isASCII(a.Username):
		b.WriteString("username=" + quoted(a.Username))
	default:
		b.WriteString("username*=UTF-8''" + escapeExtended(a.Username))
	}
	b.WriteString(", realm=" + quoted(d.realm) + ", nonce=" + quoted(d.nonce) + ", uri=" + quoted(uri) + ", response=\"" + response + "\"")
	if d.algorithm != "" {
		b.WriteString(", algorithm=" + d.algorithm)
	}
	if d.qop != "" {
		b.WriteString(", qop=" + d.qop + ", nc=" + nc)
	}
	if d.qop != "" || d.session {
		b.WriteString(", cnonce=\"" + d.cnonce + "\"")
	}
	if d.hasOpaque {
		b.WriteString(", opaque=" + quoted(d.opaque))
	}
	if d.userhash {
		b.WriteString(", userhash=true")
	}
	return b.String()
}

// quoted is text as a quoted-string. What headers cannot have was refused when
// the challenge or the configuration was read.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// escapeExtended is text in the form of RFC 8187.
func escapeExtended(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; isAlnum(c) || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
