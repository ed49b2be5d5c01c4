package nettest

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDigestAnswers holds the examples of RFC 7616, sections 3.9.1 and 3.9.2, and
// of RFC 2617, section 3.5.
func TestDigestAnswers(t *testing.T) {
	const opaque = `opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	const nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
	for _, tt := range []struct {
		name, challenge, uri string
		auth                 Auth
		cnonce               string
		want                 []string
	}{
		{
			"MD5", `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, nonce="` + nonce + `", ` + opaque,
			"/dir/index.html", Auth{Username: "Mufasa", Password: "Circle of Life"}, "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
			[]string{`username="Mufasa"`, `response="8ca523f5e9506fed4657c9700eebdbec"`, "qop=auth", "nc=00000001", opaque, "algorithm=MD5"},
		},
		{
			"SHA-256", `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="` + nonce + `", ` + opaque,
			"/dir/index.html", Auth{Username: "Mufasa", Password: "Circle of Life"}, "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
			[]string{`response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"`, "algorithm=SHA-256"},
		},
		{
			"userhash", `Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", ` +
				`opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true`,
			"/doe.json", Auth{Username: "J\u00e4s\u00f8n Doe", Password: "Secret, or not?"}, "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm",
			[]string{`username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"`, "userhash=true"},
		},
		{
			"RFC 2617", `Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`,
			"/dir/index.html", Auth{Username: "Mufasa", Password: "Circle Of Life"}, "0a4f113b",
			[]string{`response="6629fae49393a05397450978507c4ef1"`},
		},
		{
			"RFC 2069", `Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"`,
			"/dir/index.html", Auth{Username: "Mufasa", Password: "Circle Of Life"}, "",
			[]string{`response="670fd8c2df070c60b045671b8b24ff02"`},
		},
		{
			"other letters", `Digest realm="a \"b\" \\", nonce=x, qop=auth`, "/", Auth{Username: "J\u00e4 \"", Password: "p"}, "c",
			[]string{`username*=UTF-8''J%C3%A4%20%22`, `realm="a \"b\" \\"`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, problem := findDigest([]HeaderField{{"www-authenticate", tt.challenge}})
			if problem != "" {
				t.Fatal(problem)
			}
			d.cnonce = tt.cnonce
			u, _ := url.Parse("http://example.org" + tt.uri)
			got := d.answer(&hop{url: u, method: "GET"}, tt.auth)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("got %s\nwithout %s", got, want)
				}
			}
		})
	}
}

func TestFindDigest(t *testing.T) {
	for _, tt := range []struct {
		name    string
		values  []string
		realm   string // of the one picked
		problem string
	}{
		{"best", []string{`Digest realm=a, nonce=n, algorithm=MD5`, `Digest realm=b, nonce=n, algorithm="sha-256-sess"`}, "b", ""},
		{"in one line", []string{`Negotiate YWJj==, Basic realm="x, Digest realm=y", Digest realm=a, nonce=n`}, "a", ""},
		{"an unknown one beside", []string{`Digest realm=a, nonce=n, algorithm=MD6, Digest realm=b, nonce=n, algorithm=MD5`}, "b", ""},
		{"first of two names", []string{`Digest realm=a, realm=b, nonce=n`}, "a", ""},
		{"none", nil, "", "does not ask"},
		{"other scheme", []string{`Basic realm="a"`}, "", "does not ask"},
		{"no nonce", []string{`Digest realm=a`}, "", "no nonce"},
		{"unknown algorithm", []string{`Digest realm=a, nonce=n, algorithm=token`}, "", "algorithm"},
		{"unknown qop", []string{`Digest realm=a, nonce=n, qop="other"`}, "", "quality"},
		{"too long", []string{`Digest nonce=n, realm="` + strings.Repeat("x", 9000) + `"`}, "", "does not ask"},
		{"broken string", []string{`Digest nonce=n, realm="abc`}, "", "does not ask"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var fields []HeaderField
			for _, v := range tt.values {
				fields = append(fields, HeaderField{"WWW-Authenticate", v})
			}
			d, problem := findDigest(fields)
			if (problem == "") != (tt.problem == "") || !strings.Contains(problem, tt.problem) {
				t.Errorf("problem %q, want %q", problem, tt.problem)
			}
			if d != nil && d.realm != tt.realm || (d == nil) != (tt.problem != "") {
				t.Errorf("picked %+v, want %q", d, tt.realm)
			}
		})
	}
}

func TestParseChallenges(t *testing.T) {
	got := parseChallenges(`Negotiate, Basic Realm = "a\"b" , charset="UTF-8",, Bearer abc+/==, New x=1`)
	want := []challenge{
		{"Negotiate", map[string]string{}},
		{"Basic", map[string]string{"realm": `a"b`, "charset": "UTF-8"}},
		{"Bearer", map[string]string{}},
		{"New", map[string]string{"x": "1"}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(challenge{})); diff != "" {
		t.Error(diff)
	}
	if n := len(parseChallenges(strings.Repeat("Basic x=y, ", 500))); n > maxChallenges {
		t.Errorf("%d challenges", n)
	}
}

// FuzzChallenge holds that no challenge makes more of itself than it is, nor an
// answer that could add to the request.
func FuzzChallenge(f *testing.F) {
	for _, s := range []string{
		`Digest realm="a", nonce="b", qop="auth", algorithm=SHA-256`, `Basic realm="x", Digest nonce=a, stale=TRUE`, `Negotiate YWJj==, Digest`,
		`Digest nonce="a\"b\\", opaque=, userhash=true, realm="`, `=,=`, `a b c=d`, `Digest nonce="\`,
	} {
		f.Add(s)
	}
	u, _ := url.Parse("http://h.example/p?q")
	f.Fuzz(func(t *testing.T, value string) {
		all := parseChallenges(value)
		params, size := 0, 0
		for _, c := range all {
			params += len(c.params)
			for name, text := range c.params {
				size += len(name) + len(text)
			}
		}
		if len(all) > maxChallenges || params > maxAuthParams || size > len(value) {
			t.Fatalf("%d challenges, %d parameters, %d bytes of %d", len(all), params, size, len(value))
		}
		d, _ := findDigest([]HeaderField{{"WWW-Authenticate", value}})
		if d == nil {
			return
		}
		d.cnonce = "c"
		answer := d.answer(&hop{url: u, method: "GET"}, Auth{Username: "u", Password: "canary"})
		if strings.ContainsAny(answer, "\r\n\x00") || strings.Contains(answer, "canary") || len(answer) > 2*maxChallengeBytes+1000 {
			t.Fatalf("%q makes %q", value, answer)
		}
		back := parseChallenges(answer)
		if len(answer) <= maxChallengeBytes && (len(back) != 1 || back[0].params["nonce"] != d.nonce || back[0].params["realm"] != d.realm) {
			t.Fatalf("%q makes %q, which says %v", value, answer, back)
		}
	})
}
