package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/frogstats/uptime/internal/mtls"
)

// What a folder with certificates holds: the authority, and a folder for each service.
const (
	caFile    = "ca.crt"
	caKeyFile = "ca.key"
	certFile  = "tls.crt"
	keyFile   = "tls.key"
)

const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
	authorityName   = "Frogstats Uptime development authority"
)

// members are the services that speak to one another.
func members() []string {
	return slices.DeleteFunc(roleNames(), func(name string) bool { return name == serveRole })
}

type certsConfig struct {
	out    string
	hosts  []string
	life   time.Duration
	days   int
	force  bool
	renew  bool
	output func(format string, args ...any)
}

func newCerts(p Process) *cobra.Command {
	cfg := certsConfig{output: func(format string, args ...any) { fmt.Fprintf(p.Stdout, format, args...) }}
	c := &cobra.Command{
		Use:   "certs --out DIR",
		Short: "Make a certificate authority and a certificate for every service, for development",
		Long: `Certs makes what --tls-cert, --tls-key and --tls-ca want: an authority (ca.crt, and its
key ca.key) and for each service a folder with ca.crt, tls.crt and tls.key. Each
certificate is good for both ends of a connection and names the service, localhost,
127.0.0.1, ::1 and every --host. Only the owner of the files can read the keys.

Nothing is overwritten unless told so: --renew makes new certificates with the authority
that is there, which running services take over within a second or so; --force makes
everything anew.

The authority's key lies in the same folder and signs whatever it is asked to: where that
is not good enough, use an authority of your own.`,
		Example: `  frogup certs --out certs
  frogup certs --out certs --host monitors.example.com --days 30
  frogup certs --out certs --renew`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg.life = time.Duration(cfg.days) * 24 * time.Hour
			return cfg.run()
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&cfg.out, "out", "", "folder to write to; made if it is not there (required)")
	f.StringArrayVar(&cfg.hosts, "host", nil, "name or address that every certificate is good for too; may be repeated")
	f.IntVar(&cfg.days, "days", int(certificateLife/(24*time.Hour)), "how many days the certificates are valid")
	f.BoolVar(&cfg.renew, "renew", false, "make new certificates with the authority in the folder")
	f.BoolVar(&cfg.force, "force", false, "make everything anew, the authority too")
	c.MarkFlagsMutuallyExclusive("renew", "force")
	return c
}

func (c *certsConfig) run() error {
	switch {
	case c.out == "":
		return errors.New("--out is required: the folder to write to")
	case c.days < 1 || c.days > 3650:
		return fmt.Errorf("--days %d: must be between 1 and 3650", c.days)
	}
	authority, err := c.authority()
	if err != nil {
		return err
	}
	until := earlier(time.Now().Add(c.life), authority.NotAfter())
	for _, service := range members() {
		if err := writeCertificate(filepath.Join(c.out, service), authority, service, c.hosts, until); err != nil {
			return err
		}
		c.output("%s\n", filepath.Join(c.out, service, "{"+strings.Join([]string{caFile, certFile, keyFile}, ",")+"}"))
	}
	c.output("The certificates are valid until %s, the authority until %s.\n",
		until.Format(time.DateOnly), authority.NotAfter().Format(time.DateOnly))
	return nil
}

// authority is the one in the folder with --renew, else a new one.
func (c *certsConfig) authority() (*mtls.Authority, error) {
	certPath, keyPath := filepath.Join(c.out, caFile), filepath.Join(c.out, caKeyFile)
	if c.renew {
		cert, err := os.ReadFile(certPath)
		if err != nil {
			return nil, fmt.Errorf("--renew: %w", err)
		}
		key, err := os.ReadFile(keyPath)
		if err != nil {
			return nil, fmt.Errorf("--renew: %w", err)
		}
		return mtls.ReadAuthority(mtls.Pair{Cert: cert, Key: key})
	}
	if !c.force {
		if err := c.untouched(); err != nil {
			return nil, err
		}
	}
	authority, err := mtls.NewAuthority(authorityName, time.Now().Add(max(authorityLife, c.life)))
	if err != nil {
		return nil, err
	}
	pair, err := authority.PEM()
	if err != nil {
		return nil, err
	}
	if err := writeSecret(keyPath, pair.Key); err != nil {
		return nil, err
	}
	c.output("%s\n%s\n", certPath, keyPath)
	return authority, writeFile(certPath, pair.Cert, 0o644)
}

// untouched refuses a folder in which something would be overwritten, before anything is written.
func (c *certsConfig) untouched() error {
	paths := []string{filepath.Join(c.out, caFile), filepath.Join(c.out, caKeyFile)}
	for _, service := range members() {
		for _, name := range []string{caFile, certFile, keyFile} {
			paths = append(paths, filepath.Join(c.out, service, name))
		}
	}
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s exists; --renew makes new certificates with the authority that is there, --force makes all anew", path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// writeCertificate fills a service's folder. The authority comes first: whoever reads the new certificate believes it.
func writeCertificate(folder string, authority *mtls.Authority, service string, hosts []string, until time.Time) error {
	names := []string{service, "localhost", "127.0.0.1", "::1"}
	for _, h := range hosts {
		if !slices.Contains(names, h) {
			names = append(names, h)
		}
	}
	pair, err := authority.Issue(names, until)
	if err != nil {
		return err
	}
	ca, err := authority.PEM()
	if err != nil {
		return err
	}
	return errors.Join(
		writeFile(filepath.Join(folder, caFile), ca.Cert, 0o644),
		writeSecret(filepath.Join(folder, keyFile), pair.Key),
		writeFile(filepath.Join(folder, certFile), pair.Cert, 0o644),
	)
}

func writeSecret(path string, text []byte) error { return writeFile(path, text, 0o600) }

// writeFile puts text in place at once: a reader finds the file of before or the whole new one.
func writeFile(path string, text []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone if all went well
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
