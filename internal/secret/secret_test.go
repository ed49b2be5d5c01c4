package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

const canary = "canary-7f3a"

func TestStringPrintsNowhere(t *testing.T) {
	type config struct {
		Name     string
		Password String
		Pointer  *String
		Inner    struct{ Token String }
		List     []String
		Map      map[string]String
		private  String
	}
	s := New(canary)
	c := config{Name: "visible", Password: s, Pointer: &s, List: []String{s}, Map: map[string]String{"k": s}, private: s}
	c.Inner.Token = s
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %v", "%10s", "%U", "%t", "%p"} {
		for _, v := range []any{s, &s, c, &c, []any{s}, map[string]any{"k": s}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	fmt.Fprintln(&out, s, &s, c, errors.New("x").Error()+s.String())
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("m", "secret", s, "pointer", &s, "config", c, slog.Group("g", "secret", s))
	}
	for _, v := range []any{s, &s, c, map[string]any{"k": s}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	b, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), base64.StdEncoding.EncodeToString([]byte(canary))} {
		if i := strings.Index(out.String(), form); i >= 0 {
			t.Errorf("leaked as %q: …%s", form, out.String()[max(0, i-60):i+len(form)])
		}
	}
	if !strings.Contains(out.String(), "visible") {
		t.Error("nothing was printed at all")
	}
}

func TestStringReads(t *testing.T) {
	var v struct{ Password String }
	if err := json.Unmarshal([]byte(`{"password":"`+canary+`"}`), &v); err != nil || v.Password.Reveal() != canary {
		t.Errorf("from JSON: %v", err)
	}
	err := json.Unmarshal([]byte(`{"password":["`+canary+`"]}`), &v)
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("from a list: %v", err)
	}
	var s String
	if err := s.UnmarshalText([]byte(canary)); err != nil || s.Reveal() != canary || s.IsZero() || !(String{}).IsZero() {
		t.Errorf("from text: %v", err)
	}
	if !s.Equal(New(canary)) || s.Equal(New(canary+"x")) || s.Equal(String{}) {
		t.Error("Equal")
	}
}

func TestSensitive(t *testing.T) {
	for _, name := range []string{"password", "Password", "db_password", "X-Api-Key", "accessToken", "Authorization", "proxy-authorization", "Set-Cookie", "client_secret", "credentials", "auth.credentials"} {
		if !Sensitive(name) {
			t.Errorf("%s is taken for harmless", name)
		}
	}
	for _, name := range []string{"", "name", "key", "monitor_id", "passwordless", "tokens_used", "secretary"} {
		if Sensitive(name) {
			t.Errorf("%s is taken for a credential", name)
		}
	}
}

func generate(t testing.TB) *Box {
	t.Helper()
	b, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealOpensOnlyInItsPlace(t *testing.T) {
	box, other := generate(t), generate(t)
	place := AAD("monitors", "org-1", "7")
	for _, plain := range [][]byte{nil, {}, []byte(canary), bytes.Repeat([]byte{1}, 1<<16)} {
		sealed, err := box.Seal(plain, place)
		if err != nil {
			t.Fatal(err)
		}
		if len(plain) > 0 && bytes.Contains(sealed, plain) {
			t.Error("sealed in the clear")
		}
		if got, err := box.Open(sealed, place); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("open: %q, %v", got, err)
		}
		if _, err := box.Open(sealed, AAD("monitors", "org-2", "7")); !errors.Is(err, ErrOpen) {
			t.Errorf("in another place: %v", err)
		}
		if _, err := other.Open(sealed, place); !errors.Is(err, ErrOpen) {
			t.Errorf("with another key: %v", err)
		}
		sealed[len(sealed)-1] ^= 1
		if _, err := box.Open(sealed, place); !errors.Is(err, ErrOpen) {
			t.Errorf("changed: %v", err)
		}
	}
	if _, err := box.Open(nil, place); !errors.Is(err, ErrOpen) {
		t.Errorf("nothing: %v", err)
	}
	a, _ := box.Seal([]byte("x"), place)
	b, _ := box.Seal([]byte("x"), place)
	if bytes.Equal(a, b) {
		t.Error("sealing is deterministic")
	}
}

func TestRotationKeepsTheOld(t *testing.T) {
	old := generate(t)
	place := AAD("x")
	sealedOld, err := old.Seal([]byte(canary), place)
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := old.Rotated()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := rotated.Open(sealedOld, place); err != nil || string(got) != canary {
		t.Errorf("old ciphertext, new box: %q, %v", got, err)
	}
	sealedNew, err := rotated.Seal([]byte(canary), place)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Open(sealedNew, place); !errors.Is(err, ErrOpen) {
		t.Errorf("new ciphertext, old box: %v; the new key is not primary", err)
	}
	if !bytes.Equal(old.Derive("x"), rotated.Derive("x")) {
		t.Error("derived keys changed")
	}
}

func TestDerive(t *testing.T) {
	box := generate(t)
	a, b := box.Derive("principal"), box.Derive("page token")
	if len(a) != 32 || bytes.Equal(a, b) || !bytes.Equal(a, box.Derive("principal")) || bytes.Equal(a, generate(t).Derive("principal")) {
		t.Errorf("derived %x and %x", a, b)
	}
}

func TestExportAndFromEnv(t *testing.T) {
	box := generate(t)
	text, err := box.Export()
	if err != nil {
		t.Fatal(err)
	}
	again, err := FromEnv(" " + text.Reveal() + "\n")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := box.Seal([]byte(canary), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(sealed, nil); err != nil || string(got) != canary || !bytes.Equal(box.Derive("x"), again.Derive("x")) {
		t.Errorf("open: %q, %v", got, err)
	}
	for name, bad := range map[string]string{
		"empty": "", "not base64": "***" + canary, "not JSON": base64.StdEncoding.EncodeToString([]byte(canary)),
		"no master":    base64.StdEncoding.EncodeToString([]byte(`{"keyset":{}}`)),
		"short master": base64.StdEncoding.EncodeToString([]byte(`{"keyset":{},"master":"Y2FuYXJ5"}`)),
		"bad keyset":   base64.StdEncoding.EncodeToString([]byte(`{"keyset":{"primaryKeyId":1,"x":"canary-7f3a"},"master":"` + base64.StdEncoding.EncodeToString(make([]byte, 32)) + `"}`)),
	} {
		if _, err := FromEnv(bad); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAADIsUnambiguous(t *testing.T) {
	parts := rapid.SliceOfN(rapid.StringN(0, 4, 8), 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		same := len(a) == len(b)
		for i := range a {
			same = same && a[i] == b[i]
		}
		if bytes.Equal(AAD(a...), AAD(b...)) != same {
			t.Fatalf("%q and %q", a, b)
		}
	})
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("load before create: %v", err)
	}
	box, err := LoadOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := box.Seal([]byte(canary), nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file %v, %v", info, err)
	}
	rotated, err := Rotate(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	fromNew, err := rotated.Seal([]byte("new"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string][]byte{canary: sealed, "new": fromNew} {
		if got, err := again.Open(c, nil); err != nil || string(got) != want {
			t.Errorf("open %s: %q, %v", want, got, err)
		}
	}
	if info, err = os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file after rotation %v, %v", info, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("folder holds %v, %v", left, err)
	}
}

func TestWideFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := LoadOrCreate(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644, 0o660, 0o610} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		var wide *PermissionError
		if _, err := LoadOrCreate(path); !errors.As(err, &wide) || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreate(path); err != nil {
		t.Errorf("mode 400: %v", err)
	}
}

func TestDamagedFileIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreate(path); err == nil {
		t.Error("a damaged file was taken")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "{" {
		t.Errorf("the file became %q, %v", got, err)
	}
}

func TestConcurrentCreateYieldsOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	keys := make([]string, 16)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			box, err := LoadOrCreate(path)
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = string(box.Derive("x"))
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] {
			t.Fatal("two processes would have two keys")
		}
	}
}
