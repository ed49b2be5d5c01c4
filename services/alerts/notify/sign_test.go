package notify

import (
	"crypto"
	_ "crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
	"time"
)

// reference signs as the scheme says, with HMAC written out: H((K xor opad) || H((K xor ipad) || text)).
func reference(key []byte, id string, at int64, body string) string {
	const block = 64
	inner, outer := make([]byte, block), make([]byte, block)
	copy(inner, key)
	copy(outer, key)
	for i := range block {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	h := crypto.SHA256.New()
	h.Write(inner)
	h.Write([]byte(id + "." + strconv.FormatInt(at, 10) + "." + body))
	sum := h.Sum(nil)
	h = crypto.SHA256.New()
	h.Write(outer)
	h.Write(sum)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func TestSign(t *testing.T) {
	for _, tt := range []struct {
		secret, id string
		at         int64
		body       string
	}{
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, `{"test": 2432232314}`},
		{"whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 64))), "msg_1", 0, ""},
		{"whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\xff", 24))), "msg_ü", 1 << 40, "\x00\n."},
	} {
		key, err := secretKey(tt.secret)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := sign(key, tt.id, time.Unix(tt.at, 999), []byte(tt.body)), reference(key, tt.id, tt.at, tt.body); got != want {
			t.Errorf("signature = %s, want %s", got, want)
		}
	}
}

// Values from elsewhere: the scheme's own example, and printf 'a.1.b' | openssl dgst -sha256 -hmac Jefe.
func TestKnownSignatures(t *testing.T) {
	key, err := secretKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature = %s, want %s", got, want)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sign([]byte("Jefe"), "a", time.Unix(1, 0), []byte("b")), "v1,"))
	if want := "d1bf90e93718a119aaaa76e0def2303054ad6f935ea87841de4a6b442089103d"; err != nil || hex.EncodeToString(raw) != want {
		t.Errorf("signature = %x, %v, want %s", raw, err, want)
	}
}

func TestSecretKey(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		made := newSecret()
		if key, err := secretKey(made); err != nil || len(key) != newSecretBytes {
			t.Errorf("a secret that was made here is refused: %v", err)
		}
		if seen[made] {
			t.Error("two secrets are the same")
		}
		seen[made] = true
	}
	for _, bad := range []string{
		"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec_!!!!",
		"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)), "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)),
	} {
		if _, err := secretKey(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzSecretKey(f *testing.F) {
	f.Add("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := secretKey(text)
		if err == nil && secretPrefix+base64.StdEncoding.EncodeToString(key) != text {
			t.Errorf("%q is read as another secret", text)
		}
	})
}
