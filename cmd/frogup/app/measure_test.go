package app

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/mtls"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

var expiry = regexp.MustCompile(`(?m)^frogup_certificate_expiry_seconds(?:\{[^}]*\})? (\S+)$`)

// Who is told by a monitor of metrics that a certificate ends has time to renew it, and sees that it was.
func TestCertificateAndPoolAreMeasured(t *testing.T) {
	s := newSuite(t, postgrestest.DSN(t), "")
	s.start("accounts")
	s.isUp("accounts")
	operators := s.up["accounts"].line("metrics on ")
	metrics := func() string {
		_, text, err := get(operators + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	expires := func() error {
		found := expiry.FindStringSubmatch(metrics())
		if found == nil {
			return fmt.Errorf("no frogup_certificate_expiry_seconds in\n%s", metrics())
		}
		value, err := strconv.ParseFloat(found[1], 64)
		if want := parseCertificate(t, fileText(t, s.own["accounts"]["FROGUP_TLS_CERT"])).NotAfter; err != nil || int64(value) != want.Unix() {
			return fmt.Errorf("it expires at %s, want %d", found[1], want.Unix())
		}
		return nil
	}
	if err := expires(); err != nil {
		t.Error(err)
	}
	authority, err := mtls.ReadAuthority(mtls.Pair{
		Cert: []byte(fileText(t, filepath.Join(s.dir, "authority", caFile))), Key: []byte(fileText(t, filepath.Join(s.dir, "authority", caKeyFile))),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := writeCertificate(filepath.Join(s.dir, "accounts"), authority, "accounts", nil, time.Now().Add(48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new certificate to show", expires)
	for _, want := range []string{`pgxpool_max_connections{`, `pgxpool_acquires_total{`, `db_client_connection_pool_name="accounts"`} {
		if text := metrics(); !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func fileText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
