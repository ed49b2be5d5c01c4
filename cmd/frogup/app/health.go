package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/frogstats/uptime/cmd/frogup/config"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/mtls"
	"github.com/frogstats/uptime/internal/rpc"
)

// healthConfig is what a person chooses for frogup health.
type healthConfig struct {
	role       role
	set        *config.Set
	settings   *settings
	address    string
	serverName string
	timeout    time.Duration
	path       string            // of the file with settings
	given      map[string]string // settings of the role that were given here
}

func newHealth(p Process) *cobra.Command {
	cfg := healthConfig{given: map[string]string{}}
	values := map[string]*string{} // of the settings of the role that can be given here too
	c := &cobra.Command{
		Use:   "health [role]",
		Short: "Ask a running service whether it is ready, for container health checks",
		Long: `Health asks one service, serve if none is named, whether it is ready: serve and gateway
over HTTP (/readyz), the others over gRPC with the certificate of the role. It reads the
settings of the role from the same environment and file, so that in a container
"frogup health monitors" needs nothing else; the address is the role's --listen address
on this machine unless --address says otherwise.

The exit code is 0 if the service is ready and 1 if it is not, cannot be reached, or
cannot be asked.`,
		Example: `  frogup health
  frogup health events --timeout 3s
  frogup health accounts --address accounts:7001`,
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: roleNames(),
		RunE: func(c *cobra.Command, args []string) error {
			name := serveRole
			if len(args) > 0 {
				name = args[0]
			}
			for setting, value := range values {
				if c.Flags().Changed(setting) {
					cfg.given[setting] = *value
				}
			}
			err := cfg.read(p, name)
			if err == nil {
				err = cfg.ask(c.Context(), p.Stdout)
			}
			if err != nil {
				fmt.Fprintln(p.Stderr, "frogup:", err)
				return exitCode(exitNo) // Docker reserves 2
			}
			return nil
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&cfg.address, "address", "", "host:port to ask (default the role's --listen address on this machine)")
	f.DurationVar(&cfg.timeout, "timeout", 4*time.Second, "how long to wait for the answer")
	f.StringVar(&cfg.serverName, "server-name", "", "name in the service's certificate (default the host in --address)")
	f.StringVar(&cfg.path, "config", "", "YAML file with settings (env FROGUP_CONFIG)")
	for _, name := range []string{"tls-cert", "tls-key", "tls-ca"} {
		values[name] = f.String(name, "", "as of the role")
	}
	values["plaintext"] = f.String("plaintext", "", "as of the role")
	f.Lookup("plaintext").NoOptDefVal = "true"
	return c
}

// read reads the settings of a role, of which what was given here comes first.
func (c *healthConfig) read(p Process, name string) (err error) {
	if c.role, err = findRole(name); err != nil {
		return err
	}
	c.settings, c.set = c.role.settings()
	for setting, value := range c.given {
		if s := c.set.Get(setting); s != nil {
			s.Give(value)
		}
	}
	return p.load(c.role, c.set, c.path)
}

func (c *healthConfig) ask(ctx context.Context, out io.Writer) error {
	address, listen, remote := c.address, c.settings.listen, c.settings.isRemote(c.set)
	if remote { // it has no other port
		listen = c.settings.metricsListen
	}
	if address == "" {
		host, port, err := net.SplitHostPort(listen)
		if err != nil {
			return fmt.Errorf("listen %q: %w", listen, err)
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		address = net.JoinHostPort(host, port)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if c.role.name == serveRole || c.role.name == gatewayRole || remote {
		return askHTTP(ctx, out, address)
	}
	return c.askGRPC(ctx, out, address)
}

// askHTTP prints the answer whatever it says: it names the component that is not ready.
func askHTTP(ctx context.Context, out io.Writer, address string) error {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(address, "/")+"/readyz?verbose", nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	fmt.Fprintln(out, strings.TrimSpace(string(text)))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, resp.Status)
	}
	return nil
}

func (c *healthConfig) askGRPC(ctx context.Context, out io.Writer, address string) error {
	// Health is open to everybody, so the key that signs who calls does not matter.
	signer, err := identity.NewSigner(make([]byte, 32))
	if err != nil {
		return err
	}
	cfg := rpc.ClientConfig{Signer: signer}
	if !c.settings.plaintext {
		if err := c.settings.checkTLS(c.set); err != nil {
			return err
		}
		files := mtls.Files{Cert: c.settings.tlsCert, Key: c.settings.tlsKey, CA: c.settings.tlsCA}
		source, err := mtls.Load(files, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		cfg.Credentials = source.Client(c.serverName)
	}
	conn, err := rpc.Dial(address, cfg)
	if err != nil {
		return err
	}
	defer conn.Close()
	answer, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{Service: c.role.name})
	if err != nil {
		return fmt.Errorf("%s at %s: %w", c.role.name, address, err)
	}
	fmt.Fprintln(out, strings.ToLower(strings.ReplaceAll(answer.GetStatus().String(), "_", " ")))
	if answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		return errors.New(c.role.name + " is not ready")
	}
	return nil
}
