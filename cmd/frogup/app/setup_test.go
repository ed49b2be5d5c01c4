package app

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/internal/mtls"
	"github.com/frogstats/uptime/internal/secret"
)

func outfitIn(t *testing.T) *outfit {
	t.Helper()
	return &outfit{out: filepath.Join(t.TempDir(), "made", "here"), postgres: "pg:5432", clickhouse: "ch:9000", report: io.Discard, now: time.Now()}
}

func outfitted(t *testing.T, o *outfit) map[string]string {
	t.Helper()
	if err := o.run(); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	err := filepath.WalkDir(o.out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(o.out, path)
		files[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestSetupGivesEachServiceItsOwn(t *testing.T) {
	files := outfitted(t, outfitIn(t))
	var names []string
	for name := range files {
		names = append(names, name)
	}
	seen := map[string][]string{}
	for _, name := range names {
		folder, file, _ := strings.Cut(name, "/")
		seen[folder] = append(seen[folder], file)
	}
	sorted := cmp.Transformer("sorted", func(s []string) map[string]bool {
		set := map[string]bool{}
		for _, v := range s {
			set[v] = true
		}
		return set
	})
	each := []string{"ca.crt", "tls.crt", "tls.key", "cluster.key"}
	with := func(more ...string) []string { return append(append([]string{}, each...), more...) }
	want := map[string][]string{
		"authority": {"ca.crt", "ca.key", "cluster.key", "keyset", "postgres.password", "clickhouse.password"},
		"accounts":  with("database"), "monitors": with("database", "keyset"), "prober": each,
		"events": with("database", "history"), "alerts": with("database", "keyset"), "gateway": each,
		"postgres": {"password"}, "clickhouse": {"password"},
	}
	if diff := cmp.Diff(want, seen, sorted); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if got, want := files["events/database"], "postgres://frogup:"+files["postgres/password"]+"@pg:5432/frogup?sslmode=disable"; got != want {
		t.Errorf("database of events is %s, want %s", got, want)
	}
	if got, want := files["events/history"], "clickhouse://frogup:"+files["clickhouse/password"]+"@ch:9000/frogup"; got != want {
		t.Errorf("history of events is %s, want %s", got, want)
	}
	if _, err := secret.FromEnv(files["alerts/keyset"]); err != nil {
		t.Errorf("keyset: %v", err)
	}
	if err := keyRule(files["prober/cluster.key"]); err != nil {
		t.Errorf("cluster key: %v", err)
	}
}

func TestSetupKeepsWhatIsThere(t *testing.T) {
	o := outfitIn(t)
	before := outfitted(t, o)
	if diff := cmp.Diff(before, outfitted(t, o)); diff != "" {
		t.Errorf("a second run changed (-before +after):\n%s", diff)
	}
	for _, lost := range []string{"events/database", "monitors/tls.key", "prober/ca.crt"} {
		if err := os.Remove(filepath.Join(o.out, lost)); err != nil {
			t.Fatal(err)
		}
	}
	after := outfitted(t, o)
	for name, content := range before {
		if name == "monitors/tls.key" || name == "monitors/tls.crt" { // a pair of its own again
			if after[name] == content || after[name] == "" {
				t.Errorf("%s was not made anew", name)
			}
			continue
		}
		if after[name] != content {
			t.Errorf("%s changed", name)
		}
	}
}

func TestSetupRenewsCertificates(t *testing.T) {
	o := outfitIn(t)
	before := outfitted(t, o)
	o.now = o.now.Add(certificateLife - renewBefore - time.Hour)
	if outfitted(t, o)["gateway/tls.crt"] != before["gateway/tls.crt"] {
		t.Error("a certificate was renewed long before its end")
	}
	o.now = o.now.Add(2 * time.Hour)
	after := outfitted(t, o)
	if after["gateway/tls.crt"] == before["gateway/tls.crt"] || after["gateway/ca.crt"] != before["gateway/ca.crt"] {
		t.Error("a certificate near its end was not renewed by the same authority")
	}
	o.hosts = []string{"frogs.example.com", "192.0.2.7"}
	cert := parseCertificate(t, outfitted(t, o)["gateway/tls.crt"])
	for _, host := range []string{"gateway", "localhost", "127.0.0.1", "frogs.example.com", "192.0.2.7"} {
		if err := cert.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
}

// What was sealed before opens after, in every service that has the keys, and what is sealed after does not open with the
// keys of before.
func TestSetupRotatesTheKeyset(t *testing.T) {
	var said strings.Builder
	o := outfitIn(t)
	o.report = &said
	before := outfitted(t, o)
	if strings.Contains(said.String(), "restart") {
		t.Errorf("without a rotation it said %s", &said)
	}
	box := func(text string) *secret.Box {
		t.Helper()
		b, err := secret.FromEnv(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	old, place := box(before["monitors/keyset"]), secret.AAD("monitors", "1")
	sealed, err := old.Seal([]byte("canary"), place)
	if err != nil {
		t.Fatal(err)
	}
	o.rotate = true
	after := outfitted(t, o)
	if !strings.Contains(said.String(), "restart monitors and alerts") {
		t.Errorf("it said %s", &said)
	}
	for _, name := range []string{"authority/keyset", "monitors/keyset", "alerts/keyset"} {
		if after[name] == before[name] || after[name] != after["authority/keyset"] {
			t.Errorf("%s is not the new keyset", name)
		}
	}
	fresh := box(after["monitors/keyset"])
	if plain, err := fresh.Open(sealed, place); err != nil || string(plain) != "canary" {
		t.Errorf("what was sealed before: %q, %v", plain, err)
	}
	sealed, err = fresh.Seal([]byte("canary"), place)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Open(sealed, place); err == nil {
		t.Error("the key of before is still the one to seal with")
	}
	for name := range before {
		if !strings.HasSuffix(name, "/keyset") && after[name] != before[name] {
			t.Errorf("%s changed as well", name)
		}
	}
	o.rotate = false
	if again := outfitted(t, o); again["alerts/keyset"] != after["alerts/keyset"] {
		t.Error("the next run without the flag changed the keyset")
	}
}

func TestSetupRotatesNothingThatIsNotThere(t *testing.T) {
	out := t.TempDir()
	got := runVerb(t, t.Context(), nil, "", "setup", "--out", out, "--rotate-keyset")
	if got.code != exitError || !strings.Contains(got.stderr, "setup: --rotate-keyset: open "+filepath.Join(out, "authority", "keyset")) {
		t.Errorf("%+v", got)
	}
	if left, err := os.ReadDir(out); err != nil || len(left) != 0 {
		t.Errorf("it made %v, %v", left, err)
	}
	if got := runVerb(t, t.Context(), nil, "", "setup", "--out", out); got.code != exitOK {
		t.Fatal(got.stderr)
	}
	if err := os.WriteFile(filepath.Join(out, "authority", "keyset"), []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	got = runVerb(t, t.Context(), nil, "", "setup", "--out", out, "--rotate-keyset")
	if got.code != exitError || strings.Contains(got.stderr+got.stdout, canary) {
		t.Errorf("a broken keyset: %+v", got)
	}
}

func TestSetupLetsNobodyElseRead(t *testing.T) {
	o := outfitIn(t)
	for name := range outfitted(t, o) {
		info, err := os.Stat(filepath.Join(o.out, name))
		if err != nil {
			t.Fatal(err)
		}
		public := strings.HasSuffix(name, ".crt") || name == "postgres/password" || name == "clickhouse/password"
		if open := info.Mode().Perm()&0o077 != 0; open && !public {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

func TestSetupRefusesABrokenAuthority(t *testing.T) {
	o := outfitIn(t)
	outfitted(t, o)
	other, err := mtls.NewAuthority("other", o.now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := other.PEM()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.path("authority", "ca.key"), pair.Key, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := o.run(); err == nil {
		t.Error("an authority with another's key was used")
	}
}

func parseCertificate(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("no certificate in %q", text)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
