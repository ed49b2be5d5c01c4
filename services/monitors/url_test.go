package monitors

import (
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/idna"
)

func TestCanonicalURL(t *testing.T) {
	tests := []struct{ raw, want string }{ // want "" means refused
		{"https://example.com", "https://example.com"},
		{"https://example.com/", "https://example.com/"},
		{"HTTP://EXAMPLE.com:8080/A%2fb?q=1&r#frag", "http://example.com:8080/A%2fb?q=1&r"},
		{"http://example.com/#", "http://example.com/"},
		{"http://example.com?x", "http://example.com?x"},
		{"http://127.0.0.1:1/x", "http://127.0.0.1:1/x"},
		{"http://[2001:DB8:0:0::1]:443/", "http://[2001:db8::1]:443/"},
		{"http://[::ffff:127.0.0.1]/", "http://[::ffff:127.0.0.1]/"},
		{"https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"},
		{"http://127。0。0。1/", "http://127.0.0.1/"},
		{"http://１２７.0.0.1/", "http://127.0.0.1/"},
		{"http://my_service.default.svc:80/", "http://my_service.default.svc:80/"},
		{"http://r3---sn-x.example/", "http://r3---sn-x.example/"},
		{"http://example.com./", "http://example.com./"},
		{"http://localhost/", "http://localhost/"},
		{"http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"},

		{"", ""}, {"example.com", ""}, {"//example.com/", ""}, {"/path", ""}, {"http:", ""}, {"http://", ""}, {"http:///path", ""},
		{"http:example.com", ""}, {"http:/example.com", ""}, {"ftp://example.com/", ""}, {"file:///etc/passwd", ""},
		{"javascript:alert(1)", ""}, {"unix:///run/x.sock", ""}, {"gopher://x/", ""}, {"httpx://x/", ""},
		{"http://user@example.com/", ""}, {"http://user:pass@example.com/", ""}, {"http://@example.com/", ""},
		{"http://a@b@127.0.0.1/", ""}, {"http://example.com\\@127.0.0.1/", ""},
		{"http://exa mple.com/", ""}, {" http://example.com/", ""}, {"http://example.com/a b", ""}, {"http://example.com/\n", ""},
		{"http://example.com/\x00", ""}, {"http://exam\tple.com/", ""}, {"http://example.com/%zz", ""},
		{"http://example.com:0/", ""}, {"http://example.com:65536/", ""}, {"http://example.com:-1/", ""},
		{"http://example.com:/", ""}, {"http://example.com:http/", ""}, {"http://:80/", ""}, {"http://example.com:+80/", ""},
		{"http://[::1/", ""}, {"http://::1/", ""}, {"http://[fe80::1%25eth0]/", ""}, {"http://[v1.fe80::a]/", ""}, {"http://[]/", ""}, {"http://[127.0.0.1]/", ""},
		{"http://256.256.256.256/", ""}, {"http://2130706433/", ""}, {"http://0x7f000001/", ""}, {"http://127.1/", ""}, {"http://0177.0.0.1/", ""}, {"http://1.2.3.4.5/", ""}, {"http://example.0x/", ""},
		{"http://-example.com/", ""}, {"http://example-.com/", ""}, {"http://exa$mple.com/", ""}, {"http://a..b/", ""}, {"http://.a/", ""}, {"http://./", ""},
		{"http://" + strings.Repeat("a", 64) + ".com/", ""}, {"http://" + strings.Repeat("a.", 127) + "com/", ""},
		{"http://xn--zzzzzzzz-\u00fc/", ""}, {"http://xn--a/", ""}, {"http://a\u202eb.example/", ""}, {"http://%65xample.com/", ""},
		{"http://example.com/" + strings.Repeat("x", 2048), ""},
	}
	for _, tt := range tests {
		got, err := canonicalURL(tt.raw)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("canonicalURL(%q) = %q, %v, want %q", tt.raw, got, err, tt.want)
		}
	}
}

func TestCanonicalTCPHost(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"example.com", "example.com"}, {"EXAMPLE.com", "example.com"}, {"db_1", "db_1"}, {"10.0.0.1", "10.0.0.1"}, {"bücher.example", "xn--bcher-kva.example"},
		{"::1", "::1"}, {"[::1]", "::1"}, {"2001:DB8::0:1", "2001:db8::1"}, {"[2001:db8::1]", "2001:db8::1"}, {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
		{"", ""}, {"[]", ""}, {"[example.com]", ""}, {"[10.0.0.1]", ""}, {"[::1", ""}, {"::1]", ""}, {"[::1]:80", ""}, {"example.com:80", ""}, {"10.0.0.1:80", ""},
		{"http://example.com", ""}, {"tcp://example.com:80", ""}, {"example.com/", ""}, {"user@example.com", ""}, {"a b", ""}, {"a\nb", ""}, {"fe80::1%eth0", ""},
		{"1", ""}, {"1.2.3", ""}, {"0x7f.1", ""}, {":::", ""}, {"a,b", ""}, {"*.example.com", ""}, {"-a", ""}, {strings.Repeat("a.", 130), ""},
	}
	for _, tt := range tests {
		got, err := canonicalTCPHost(tt.raw)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("canonicalTCPHost(%q) = %q, %v, want %q", tt.raw, got, err, tt.want)
		}
	}
}

// What is canonical stays as it is, has the parts it must have, and no other spelling.
func FuzzCanonicalURL(f *testing.F) {
	for _, s := range []string{"https://example.com/a?b#c", "http://[::1]:80/", "http://bücher.example", "http://a@b/", "http://１２７.1/", "HTTP://X:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once, err := canonicalURL(raw)
		if err != nil {
			return
		}
		twice, err := canonicalURL(once)
		if err != nil || twice != once {
			t.Errorf("%q became %q and then %q, %v", raw, once, twice, err)
		}
		u, err := url.Parse(once)
		if err != nil || u.User != nil || u.Fragment != "" || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
			t.Errorf("%q became %q: %+v, %v", raw, once, u, err)
		}
		if strings.ContainsAny(once, "\r\n\t \x00") || len(once) > maxURLBytes {
			t.Errorf("%q became %q", raw, once)
		}
	})
}

func FuzzCanonicalTCPHost(f *testing.F) {
	for _, s := range []string{"example.com", "[::1]", "1.2.3.4", "bücher", "a:1", "xn--a", "fe80::1%1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once, err := canonicalTCPHost(raw)
		if err != nil {
			return
		}
		if twice, err := canonicalTCPHost(once); err != nil || twice != once {
			t.Errorf("%q became %q and then %q, %v", raw, once, twice, err)
		}
		if strings.ContainsAny(once, "/@[]% \r\n") || len(once) > maxHostBytes {
			t.Errorf("%q became %q", raw, once)
		}
		if ascii, err := idna.Lookup.ToASCII(once); err == nil && ascii != once {
			t.Errorf("%q became %q, which a resolver would look up as %q", raw, once, ascii)
		}
	})
}
