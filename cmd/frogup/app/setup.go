package app

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/frogstats/uptime/internal/mtls"
	"github.com/frogstats/uptime/internal/secret"
)

const setupHelp = `Setup makes everything secret that a suite of services needs, once: an authority
and a certificate for each service, the cluster key, the keys that seal stored
credentials, and the passwords of PostgreSQL and ClickHouse.

  OUT/authority/                 what the rest is made from; no service reads it
  OUT/<service>/                 what that service reads, and nothing else:
      ca.crt tls.crt tls.key     for FROGUP_TLS_CA, FROGUP_TLS_CERT, FROGUP_TLS_KEY
      cluster.key                for FROGUP_CLUSTER_KEY_FILE
      database history keyset    for FROGUP_DATABASE_FILE, FROGUP_HISTORY_FILE and
                                 FROGUP_SECRET_KEYSET_FILE, where the service has one
  OUT/postgres/password          for POSTGRES_PASSWORD_FILE
  OUT/clickhouse/password        for CLICKHOUSE_PASSWORD_FILE

Running it again keeps what is there, makes what is missing, and renews
certificates that expire within 30 days; running services notice by themselves.
Losing OUT/authority/keyset loses every stored credential: back it up.

--rotate-keyset adds a new key to the keyset, with which monitors and alerts seal from
their next start on. The keys of before stay in it and open what they have sealed.`

// What the folders hold beside the certificates.
const (
	clusterKeyFile = "cluster.key"
	keysetFile     = "keyset"
	databaseFile   = "database"
	historyFile    = "history"
	passwordFile   = "password"
)

const (
	renewBefore = 30 * 24 * time.Hour
	storeName   = "frogup" // of the user and of the database, in both stores
)

// outfit is a run of setup.
type outfit struct {
	out                  string
	postgres, clickhouse string
	hosts                []string
	rotate               bool // the keyset
	report               io.Writer
	authority            *mtls.Authority
	now                  time.Time
}

func newSetup(p Process) *cobra.Command {
	o := outfit{report: p.Stdout}
	c := &cobra.Command{
		Use: "setup", Short: "Make the keys, passwords and certificates that a suite of services needs", Long: setupHelp, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			o.now = time.Now()
			if err := o.run(); err != nil {
				return fmt.Errorf("setup: %w", err)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "secrets", "folder for the result; made if it is not there")
	f.StringVar(&o.postgres, "postgres", "postgres:5432", "host:port of PostgreSQL")
	f.StringVar(&o.clickhouse, "clickhouse", "clickhouse:9000", "host:port of ClickHouse's native protocol")
	f.StringArrayVar(&o.hosts, "host", nil, "further name or address under which the services are reached; may be repeated")
	f.BoolVar(&o.rotate, "rotate-keyset", false, "seal with a new key from now on; the old ones still open what they sealed")
	return c
}

func (o *outfit) run() error {
	if o.rotate {
		if err := o.rotateKeyset(); err != nil {
			return fmt.Errorf("--rotate-keyset: %w", err)
		}
	}
	if err := o.open(); err != nil {
		return err
	}
	shared := map[string][]byte{}
	for name, make := range map[string]func() ([]byte, error){
		clusterKeyFile: password, "postgres.password": password, "clickhouse.password": password, keysetFile: newKeyset,
	} {
		value, err := o.keep(o.path("authority", name), 0o600, make)
		if err != nil {
			return err
		}
		shared[name] = value
	}
	database := dsn("postgres", string(shared["postgres.password"]), o.postgres, "sslmode=disable")
	history := dsn("clickhouse", string(shared["clickhouse.password"]), o.clickhouse, "")
	files := map[string]map[string][]byte{
		"accounts": {databaseFile: database},
		"monitors": {databaseFile: database, keysetFile: shared[keysetFile]},
		"prober":   {},
		"events":   {databaseFile: database, historyFile: history},
		"alerts":   {databaseFile: database, keysetFile: shared[keysetFile]},
		"gateway":  {},
	}
	for _, service := range sortedNames(files) {
		files[service][clusterKeyFile] = shared[clusterKeyFile]
		if err := o.equip(service, files[service]); err != nil {
			return err
		}
	}
	// The stores' containers run as users of their own, so these two can be read by everybody who sees their volume.
	for _, store := range []string{"postgres", "clickhouse"} {
		if err := o.put(o.path(store, passwordFile), 0o444, shared[store+".password"]); err != nil {
			return err
		}
	}
	if o.rotate {
		fmt.Fprint(o.report, rotatedNotice)
	}
	return nil
}

const rotatedNotice = `
The keyset has a new key. Back up authority/keyset, then restart monitors and alerts, all replicas
of each one soon after the other: until then an old one cannot open what a new one has sealed.
`

// rotateKeyset adds the new key to the keyset that the services' copies are made from.
func (o *outfit) rotateKeyset() error {
	path := o.path("authority", keysetFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return err // there must be one
	}
	box, err := openKeyset(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if box, err = box.Rotated(); err != nil {
		return err
	}
	keys, err := box.Export()
	if err != nil {
		return err
	}
	return o.put(path, 0o600, []byte(keys.Reveal()))
}

// open reads the authority, or makes it.
func (o *outfit) open() error {
	certPath, keyPath := o.path("authority", caFile), o.path("authority", caKeyFile)
	cert, err := os.ReadFile(certPath)
	if errors.Is(err, fs.ErrNotExist) {
		if o.authority, err = mtls.NewAuthority(authorityName, o.now.Add(authorityLife)); err != nil {
			return err
		}
		pair, err := o.authority.PEM()
		if err != nil {
			return err
		}
		// The certificate comes last: it says that the key is there.
		return errors.Join(o.put(keyPath, 0o600, pair.Key), o.put(certPath, 0o644, pair.Cert))
	}
	if err != nil {
		return err
	}
	key, err := os.ReadFile(keyPath)
	if err != nil {
		return err
	}
	o.authority, err = mtls.ReadAuthority(mtls.Pair{Cert: cert, Key: key})
	return err
}

// equip fills a service's folder.
func (o *outfit) equip(service string, files map[string][]byte) error {
	authority, err := o.authority.PEM()
	if err != nil {
		return err
	}
	files[caFile] = authority.Cert
	for _, name := range sortedNames(files) {
		if err := o.put(o.path(service, name), 0o600, files[name]); err != nil {
			return err
		}
	}
	hosts := append([]string{service, "localhost", "127.0.0.1", "::1"}, o.hosts...)
	certPath, keyPath := o.path(service, certFile), o.path(service, keyFile)
	if current, err := os.ReadFile(certPath); err == nil && o.serves(current, authority.Cert, hosts) {
		if _, err := os.Stat(keyPath); err == nil {
			o.tell("kept", certPath)
			return nil
		}
	}
	pair, err := o.authority.Issue(hosts, o.now.Add(certificateLife))
	if err != nil {
		return err
	}
	return errors.Join(o.put(keyPath, 0o600, pair.Key), o.put(certPath, 0o644, pair.Cert))
}

// serves reports whether a certificate is the authority's, for all the hosts, and for some time yet.
func (o *outfit) serves(certPEM, authorityPEM []byte, hosts []string) bool {
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || o.now.Add(renewBefore).After(cert.NotAfter) {
		return false
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authorityPEM)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: o.now}); err != nil {
		return false
	}
	return !slices.ContainsFunc(hosts, func(h string) bool { return cert.VerifyHostname(h) != nil })
}

// keep returns what the file holds, or what make makes, which is then in the file.
func (o *outfit) keep(path string, mode fs.FileMode, make func() ([]byte, error)) ([]byte, error) {
	value, err := os.ReadFile(path)
	if err == nil {
		o.tell("kept", path)
		return value, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if value, err = make(); err != nil {
		return nil, err
	}
	return value, o.put(path, mode, value)
}

// put makes the file hold value, whole or not at all.
func (o *outfit) put(path string, mode fs.FileMode, value []byte) error {
	if current, err := os.ReadFile(path); err == nil && bytes.Equal(current, value) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(value)
	if err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	o.tell("made", path)
	return nil
}

func (o *outfit) path(folder, name string) string { return filepath.Join(o.out, folder, name) }

func (o *outfit) tell(what, path string) { fmt.Fprintf(o.report, "%s  %s\n", what, path) }

// password is 52 letters and digits with 260 random bits, which are safe in an address and long enough for a cluster key.
func password() ([]byte, error) { return []byte(rand.Text() + rand.Text()), nil }

func newKeyset() ([]byte, error) {
	box, err := secret.Generate()
	if err != nil {
		return nil, err
	}
	keys, err := box.Export()
	return []byte(keys.Reveal()), err
}

func dsn(scheme, password, host, query string) []byte {
	u := url.URL{Scheme: scheme, User: url.UserPassword(storeName, password), Host: host, Path: "/" + storeName, RawQuery: query}
	return []byte(u.String())
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
