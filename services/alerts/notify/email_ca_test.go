package notify

import (
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
)

// authority is the certificate that the office's is to be trusted by, in PEM.
func (o *postOffice) authority() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.certificate}))
}

// A mail server with a private authority is trusted by those who name that, and by nobody else; and who names it trusts no other.
func TestEmailByAPrivateAuthority(t *testing.T) {
	for _, security := range []string{"starttls", "tls"} {
		t.Run(security, func(t *testing.T) {
			mine, other := &postOffice{ways: []string{"PLAIN"}, auth: checkBob}, &postOffice{ways: []string{"PLAIN"}, auth: checkBob}
			mine.open(t, security == "tls", security == "starttls")
			other.open(t, security == "tls", security == "starttls")
			system := mine.roots // stands in for the system's authorities
			for _, c := range []struct {
				name string
				to   *postOffice
				cas  []any
				want string
			}{
				{"named", mine, []any{other.authority(), mine.authority() + "\n"}, ""},
				{"two in one text", mine, []any{other.authority() + mine.authority()}, ""},
				{"not named", other, nil, "the receiver's certificate is not valid"},
				{"another is named", mine, []any{other.authority()}, "the receiver's certificate is not valid"},
			} {
				more := map[string]any{"security": security, "username": userBob["username"], "password": userBob["password"]}
				if c.cas != nil {
					more["trusted_cas"] = c.cas
				}
				before := len(c.to.taken())
				r := mailer{roots: system}.send(t.Context(), guarded(t), merged(t, "email", with(c.to.base, more)), sampleParcel())
				if sent := len(c.to.taken()) - before; r.OK != (c.want == "") || r.Error != c.want || (sent == 1) != r.OK {
					t.Errorf("%s: %+v, %d came", c.name, r, sent)
				}
			}
		})
	}
}

func TestEmailAuthoritiesAreLookedAt(t *testing.T) {
	o := &postOffice{}
	o.open(t, false, true)
	good := o.authority()
	for name, c := range map[string]struct {
		more map[string]any
		want string
	}{
		"no PEM":                   {map[string]any{"trusted_cas": []any{good, "nothing of the kind"}}, "trusted_cas [1] must be certificates in PEM and nothing else"},
		"a key":                    {map[string]any{"trusted_cas": []any{"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}}, "trusted_cas [0] must be certificates in PEM and nothing else"},
		"no certificate":           {map[string]any{"trusted_cas": []any{"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}}, "trusted_cas [0] certificate 1 cannot be read"},
		"blank":                    {map[string]any{"trusted_cas": []any{" \n"}}, "trusted_cas [0] must be at least one certificate in PEM"},
		"a text":                   {map[string]any{"trusted_cas": good}, "trusted_cas must be a list of at most 50 texts"},
		"too long":                 {map[string]any{"trusted_cas": []any{strings.Repeat("A", maxMailCAs+1)}}, "trusted_cas [0] must have at most 65536 bytes"},
		"too many":                 {map[string]any{"trusted_cas": slices.Repeat([]any{strings.Repeat(good, maxMailCAs/len(good))}, 2)}, "trusted_cas must have at most 65536 bytes in all"},
		"where nothing is checked": {map[string]any{"trusted_cas": []any{good}, "security": "opportunistic"}, "trusted_cas must be absent with the security opportunistic, by which no certificate is checked"},
		"where there is no TLS":    {map[string]any{"trusted_cas": []any{good}, "security": "none"}, "trusted_cas must be absent with the security none, by which no certificate is checked"},
		"several lines in another": {map[string]any{"username": "a\nb", "password": "p"}, "username must be a text without control characters"},
	} {
		raw, err := json.Marshal(with(o.base, c.more))
		if err != nil {
			t.Fatal(err)
		}
		_, _, bad := email.Merge(Settings{}, object(t, string(raw)))
		if len(bad) != 1 || bad[0].Name+" "+bad[0].Message != c.want {
			t.Errorf("%s: %v, want %q", name, bad, c.want)
		}
	}
}

// Who may change a channel and does not know its password must not have another server trusted with it.
func TestEmailAuthorityIsADestination(t *testing.T) {
	o := &postOffice{}
	o.open(t, false, true)
	stored := merged(t, "email", with(o.base, userBob))
	if _, _, bad := email.Merge(stored, map[string]any{"trusted_cas": []any{o.authority()}}); len(bad) != 1 || bad[0].Name != "password" {
		t.Errorf("another authority with the old password: %v", bad)
	}
	next, _, bad := email.Merge(stored, map[string]any{"trusted_cas": []any{o.authority()}, "password": "again"})
	if len(bad) != 0 {
		t.Fatalf("with a new password: %v", bad)
	}
	if shown, ok := email.Show(next.Public)["trusted_cas"].([]any); !ok || len(shown) != 1 || shown[0] != o.authority() {
		t.Errorf("shown are %v", shown)
	}
	for name, given := range map[string]map[string]any{"the same again": {"trusted_cas": []any{o.authority()}}, "something else": {"from": "a@b.example"}} {
		if _, _, bad := email.Merge(next, given); len(bad) != 0 {
			t.Errorf("%s: %v", name, bad)
		}
	}
	if _, _, bad := email.Merge(next, map[string]any{"trusted_cas": nil}); len(bad) != 1 || bad[0].Name != "password" {
		t.Errorf("the system's authorities with the old password: %v", bad)
	}
}
