package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cenkalti/backoff/v5"
	"google.golang.org/grpc"

	"github.com/frogstats/uptime/cmd/frogup/config"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/datadir"
	"github.com/frogstats/uptime/internal/rpc"
)

// A remote prober is a prober that joined a server with a token. It needs no keys of the installation and no peers: who it
// is stands in its data folder, and everything goes through one connection outwards.

const (
	defaultJoinFolder = "frogup-prober" // where --data is not given
	rejoinFolder      = "joining"       // in the data folder, while a prober that was removed joins again
	joinPatience      = time.Minute     // with a server that does not answer, the first time
)

// joining defines the settings of a remote prober.
func (c *settings) joining(s *config.Set) {
	s.Text(&c.join, "join", "", "URL of the server that a remote prober works for, such as https://uptime.example.com; without cluster-key, "+
		"certificates and peers, and with data, where it keeps who it is (default frogup-prober)", config.Rule(joinRule))
	s.Text(&c.joinToken, "token", "", "enrolment token with which a remote prober joins; not needed any more once it has", config.Secret)
	s.Text(&c.joinCA, "join-ca", "", "PEM file of the authorities that the server's certificate may be of (default those of the system)")
}

func joinRule(text string) error {
	_, err := parseJoinURL(text)
	return err
}

// checkJoin finds what does not go together for a remote prober, and completes its settings.
func (c *settings) checkJoin(set *config.Set) error {
	if c.data == "" {
		c.data = defaultJoinFolder
	}
	c.regionGiven = set.Get("region").Source != config.Default
	if c.join == "" {
		return nil // the URL stands in the identity
	}
	u, err := parseJoinURL(c.join)
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) && !c.plaintext {
		return errors.New("join: an http:// URL of another machine sends credentials of monitors in the clear; use https://, or --plaintext if that is meant")
	}
	if set.Get("prober-id").Source != config.Default {
		return errors.New("prober-id: a remote prober has the id that its token was made for")
	}
	if c.joinToken == "" && !hasIdentity(c.data) {
		return errors.New("token is required the first time: make one with POST /api/uptime/probers, and give it with --token, best in a file that " +
			config.EnvName("token-file") + " names")
	}
	return nil
}

// isRemote reports whether these are the settings of a remote prober.
func (c *settings) isRemote(set *config.Set) bool {
	return set.Get("join") != nil && (c.join != "" || hasIdentity(c.data))
}

// remoteMember takes what a process with nobody beside it needs: keys of its own, and its folder.
func (h *house) remoteMember() error {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	h.keys.derive = func(label string) []byte { return deriveKey(string(key), label) }
	dir, err := datadir.Open(h.cfg.data)
	if err != nil {
		return err
	}
	h.dir = dir
	h.group.Defer("data folder", func(context.Context) error { return dir.Close() })
	return h.sign()
}

// joined connects a remote prober to its server, joining first if it has not yet. It sets the region to that of the token.
func (h *house) joined(ctx context.Context) (id string, conn grpc.ClientConnInterface, err error) {
	i, server, err := h.joinIdentity()
	if err != nil {
		return "", nil, err
	}
	u, err := parseJoinURL(server)
	if err != nil {
		return "", nil, fmt.Errorf("join: %w", err)
	}
	c, err := joinTarget{url: u, ca: h.cfg.joinCA, proxy: h.process.proxyFromEnv()}.connect()
	if err != nil {
		return "", nil, err
	}
	h.group.Defer("connection to "+server, func(context.Context) error { return c.Close() })
	c.identity.Store(i)
	if !i.joined() {
		if i, err = h.joinNow(ctx, c, i); err != nil {
			return "", nil, err
		}
		c.identity.Store(i)
	}
	h.cfg.region = i.Region
	m := newMembership(c, server, h.logOf("prober"))
	h.group.Add("membership", m.run)
	h.group.Add("announcement", func(context.Context) error {
		fmt.Fprintf(h.process.Stdout, "prober %s in %s works for %s\n", i.ProberID, i.Region, server)
		return nil
	})
	return i.ProberID, c, nil
}

// joinIdentity is who the prober is, or is about to be, and the URL of its server.
func (h *house) joinIdentity() (i *joinIdentity, server string, err error) {
	if i, err = readIdentity(h.cfg.data); err != nil {
		return nil, "", err
	}
	if h.cfg.join != "" {
		u, err := parseJoinURL(h.cfg.join)
		if err != nil {
			return nil, "", fmt.Errorf("join: %w", err)
		}
		server = u.String()
	} else if i != nil {
		server = i.URL
	}
	hash := hashToken(h.cfg.joinToken)
	switch {
	case i == nil || !i.joined() && hash != "" && hash != i.TokenHash:
		i, err = newIdentity(h.cfg.data, server, h.cfg.joinToken)
		return i, server, err
	case i.joined() && h.cfg.regionGiven && h.cfg.region != i.Region:
		return nil, "", fmt.Errorf("region: this folder (%s) is that of the prober %s in %s; for a prober in %s use another --data and a new token",
			h.cfg.data, i.ProberID, i.Region, h.cfg.region)
	case i.joined() && hash != "" && hash != i.TokenHash: // a new token for a prober that was removed
		next, err := h.rejoining(server, hash)
		if err != nil {
			return nil, "", err
		}
		next.path, next.Region = i.path, i.Region
		return next, server, nil
	case !i.joined() && hash == "":
		return nil, "", errors.New("token is required: the prober has not joined yet")
	case i.URL != server:
		i.URL = server
		return i, server, i.save()
	}
	return i, server, nil
}

// rejoining is a new identity, kept beside the one in use until it has a certificate.
func (h *house) rejoining(server, tokenHash string) (*joinIdentity, error) {
	folder := filepath.Join(h.cfg.data, rejoinFolder)
	next, err := readIdentity(folder)
	if err == nil && (next == nil || next.TokenHash != tokenHash || next.joined()) {
		next, err = newIdentity(folder, server, h.cfg.joinToken)
	}
	return next, err
}

// joinNow exchanges the token for a certificate. Of a server that does not answer it tries for a minute.
func (h *house) joinNow(ctx context.Context, c *joinConn, i *joinIdentity) (*joinIdentity, error) {
	csr, err := certificateRequest(i.key)
	if err != nil {
		return nil, err
	}
	req := &monitorsv1.JoinProberRequest{Token: h.cfg.joinToken, CertificateRequest: csr, Version: h.process.Version}
	if i.Region != "" {
		req.Region = &i.Region // what lies in the folder is of that region
	} else if h.cfg.regionGiven {
		req.Region = &h.cfg.region
	}
	client := monitorsv1.NewEnrolmentServiceClient(c)
	got, err := backoff.Retry(ctx, func() (*monitorsv1.ProberCertificate, error) {
		ctx, cancel := context.WithTimeout(ctx, rpc.DefaultTimeout)
		defer cancel()
		got, err := client.JoinProber(ctx, req, grpc.WaitForReady(false))
		if err != nil && (isFinal(err) || isSettled(c.lastFailure())) {
			err = backoff.Permanent(err)
		}
		return got, err
	}, backoff.WithBackOff(backoff.NewExponentialBackOff()), backoff.WithMaxElapsedTime(joinPatience),
		backoff.WithNotify(func(err error, pause time.Duration) {
			h.log.Warn("prober has not joined yet", "error", sentence(explain(i.URL, err, c.lastFailure())), "again_in", pause.Round(time.Millisecond).String())
		}))
	if err != nil {
		return nil, fmt.Errorf("join: %w", explain(i.URL, err, c.lastFailure()))
	}
	next, err := i.with(i.key, i.Key, got, time.Now())
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	if err := os.RemoveAll(filepath.Join(h.cfg.data, rejoinFolder)); err != nil {
		h.log.Warn("what is left of joining is not removed", "error", err.Error())
	}
	h.log.Info("prober joined", "prober_id", next.ProberID, "region", next.Region, "server", next.URL, "until", next.ExpiresAt)
	return next, nil
}
