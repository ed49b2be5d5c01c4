package accounts

import (
	"crypto/rand"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestKeyFormat(t *testing.T) {
	id := newID()
	key := newKey(id)
	parts := strings.Split(key, "_")
	if len(parts) != 4 || parts[0] != "upt" || parts[1] != id || len(parts[2]) != 43 || len(parts[3]) != 6 {
		t.Fatalf("key %q is not upt_<id>_<secret>_<checksum>", key)
	}
	if got, ok := parseKey(key); !ok || got != id {
		t.Errorf("parse gave %q, %v", got, ok)
	}
	if again := newKey(id); again == key {
		t.Error("two keys are the same")
	}
	if p := displayPrefix(key); p != "upt_"+id || strings.Contains(p, parts[2]) {
		t.Errorf("prefix to show is %q", p)
	}
}

// The checksum is there to find typing errors: any one wrong character must be found, and any two swapped.
func TestKeyWithTypingErrorIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := []byte(newKey(newID()))
		i := rapid.IntRange(0, len(key)-1).Draw(t, "place")
		c := byte(rapid.IntRange(' ', '~').Draw(t, "character"))
		if c == key[i] {
			t.Skip("no change")
		}
		wrong := append([]byte(nil), key...)
		wrong[i] = c
		if _, ok := parseKey(string(wrong)); ok {
			t.Fatalf("%q passes, made from %q", wrong, key)
		}
		if plausibleKey(string(wrong)) && strings.HasPrefix(string(wrong), keyPrefix) {
			t.Fatalf("%q would be looked up", wrong)
		}
		if j := i + 1; j < len(key) && key[i] != key[j] {
			swapped := append([]byte(nil), key...)
			swapped[i], swapped[j] = key[j], key[i]
			if _, ok := parseKey(string(swapped)); ok {
				t.Fatalf("%q passes, made from %q", swapped, key)
			}
		}
	})
}

func TestBase62IsANumberOfFixedWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), tokenBytes, tokenBytes).Draw(t, "bytes")
		s := base62(b, keySecretLength)
		if len(s) != keySecretLength || !isBase62(s) {
			t.Fatalf("base62 gave %q", s)
		}
		back := new(big.Int)
		for _, c := range s {
			back.Mul(back, big.NewInt(62)).Add(back, big.NewInt(int64(strings.IndexRune(base62Digits, c))))
		}
		if want := new(big.Int).SetBytes(b); back.Cmp(want) != 0 {
			t.Fatalf("%q reads as %v, want %v", s, back, want)
		}
	})
	all := make([]byte, tokenBytes)
	for i := range all {
		all[i] = 0xff
	}
	if s := base62(all, keySecretLength); s[0] == '0' {
		t.Errorf("43 digits are more than 32 bytes need: %q", s)
	}
}

func TestPlausibleKey(t *testing.T) {
	good := newKey(newID())
	for key, want := range map[string]bool{
		good:                             true,
		good + " ":                       false,
		strings.ToUpper(good):            true, // does not begin with upt_, so it may be an operator's; nobody will be found
		"upt_" + strings.Repeat("x", 87): false,
		"upt_":                           false,
		"":                               false,
		strings.Repeat("k", 19):          false,
		strings.Repeat("k", 20):          true,
		strings.Repeat("ü", 19):          false,
		strings.Repeat("ü", 20):          true,
		strings.Repeat("k", 512):         true,
		strings.Repeat("k", 513):         false,
		strings.Repeat("k", 20) + "\xff": false,
	} {
		if got := plausibleKey(key); got != want {
			t.Errorf("plausibleKey(%q) = %v, want %v", key, got, want)
		}
	}
}

func TestOperatorKeyIsShownByFourCharacters(t *testing.T) {
	if got := displayPrefix("schlüssel-zum-teich"); got != "schl" {
		t.Errorf("got %q", got)
	}
	if got := displayPrefix("üüüüüüüü"); got != "üüüü" {
		t.Errorf("got %q", got)
	}
}

func TestKeyLife(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		key  Key
		want bool
	}{
		"for ever":          {Key{}, true},
		"a moment more":     {Key{ExpiresAt: at.Add(time.Millisecond)}, true},
		"ends now":          {Key{ExpiresAt: at}, false},
		"revoked":           {Key{RevokedAt: at.Add(-time.Hour)}, false},
		"revoked, not over": {Key{RevokedAt: at.Add(-time.Hour), ExpiresAt: at.Add(time.Hour)}, false},
	} {
		if got := tt.key.live(at); got != tt.want {
			t.Errorf("%s: live is %v", name, got)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	for range 4 {
		f.Add(newKey(newID()))
	}
	f.Add("upt_00000000-0000-0000-0000-000000000000_" + strings.Repeat("0", 43) + "_000000")
	f.Add("upt_\xff")
	f.Fuzz(func(t *testing.T, key string) {
		id, ok := parseKey(key)
		if !ok {
			return
		}
		body := key[:strings.LastIndexByte(key, '_')]
		if !strings.HasPrefix(key, "upt_"+id+"_") || key != body+"_"+keyChecksum(body) || !plausibleKey(key) {
			t.Errorf("%q parsed to id %q", key, id)
		}
	})
}

func FuzzPlausibleToken(f *testing.F) {
	f.Add(newToken())
	f.Add(rand.Text())
	f.Fuzz(func(t *testing.T, s string) {
		if plausibleToken(s) && (len(s) != 43 || strings.ContainsAny(s, "=+/ \n")) {
			t.Errorf("%q passes for a token", s)
		}
	})
}
