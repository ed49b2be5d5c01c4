// Package mtls lets services prove to one another who they are: TLS 1.3 with a certificate on both sides, signed by the
// authorities of one file. Certificate, key and authorities are read anew when their files change, so that replacing them
// needs no restart and costs no connection.
package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
)

// pollEvery is how often a handshake may look at the files; a replaced certificate is in use that much later at most.
const pollEvery = time.Second

// Files are the paths of PEM files.
type Files struct {
	Cert string // the certificate, and after it those between it and the authority
	Key  string // its private key
	CA   string // the authorities whose certificates are believed; one or more
}

// Source hands out what the files hold. It is safe for concurrent use and has no goroutine: every handshake asks it.
type Source struct {
	files Files
	log   *slog.Logger
	poll  time.Duration

	mu     sync.Mutex
	loaded *loaded
	looked time.Time
	broken mark // the files that were complained about
}

// loaded is one consistent reading of the files.
type loaded struct {
	cert tls.Certificate
	pool *x509.CertPool
	mark mark
}

// mark tells one state of the three files from another; what cannot be seen is nil.
type mark [3]fs.FileInfo

func (m mark) same(other mark) bool {
	for i, a := range m {
		b := other[i]
		if a == nil || b == nil {
			if a != nil || b != nil {
				return false
			}
			continue
		}
		// Renaming makes another file, even within one tick of the file system's clock.
		if !os.SameFile(a, b) || !a.ModTime().Equal(b.ModTime()) || a.Size() != b.Size() || a.Mode() != b.Mode() {
			return false
		}
	}
	return true
}

// Load reads the files. Later changes of them are taken over if they can be read and belong together; otherwise what was
// read last stays in use, and log tells why.
func Load(files Files, log *slog.Logger) (*Source, error) {
	s := &Source{files: files, log: log, poll: pollEvery}
	first, err := files.load()
	if err != nil {
		return nil, err
	}
	s.loaded, s.looked = first, time.Now()
	return s, nil
}

// NotAfter is when the certificate in use expires.
func (s *Source) NotAfter() time.Time { return s.current().cert.Leaf.NotAfter }

// Server returns credentials for a gRPC server that admits only clients with a certificate of the authorities.
func (s *Source) Server() credentials.TransportCredentials {
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			now := s.current()
			return &tls.Config{
				MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{now.cert},
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: now.pool,
				NextProtos: []string{"h2"},
				// A resumed session would go on with authorities that are believed no more.
				SessionTicketsDisabled: true,
			}, nil
		},
	})
}

// Client returns credentials for a gRPC client. The server must have a certificate of the authorities for serverName or, if
// that is empty, for the host name in the target.
func (s *Source) Client(serverName string) credentials.TransportCredentials {
	return client{s, serverName}
}

// client makes its configuration at each handshake: the authorities in a tls.Config cannot be changed otherwise.
type client struct {
	source *Source
	name   string
}

func (c client) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.now().ClientHandshake(ctx, authority, conn)
}

func (c client) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("mtls: client credentials cannot serve")
}

func (c client) Info() credentials.ProtocolInfo { return c.now().Info() }

func (c client) Clone() credentials.TransportCredentials { return c }

func (c client) OverrideServerName(string) error {
	return errors.New("mtls: the server name is chosen when the credentials are made")
}

func (c client) now() credentials.TransportCredentials {
	now := c.source.current()
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: c.name, Certificates: []tls.Certificate{now.cert}, RootCAs: now.pool,
	})
}

// current returns what the files hold, having looked at them no longer than the poll interval ago.
func (s *Source) current() *loaded {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.looked) < s.poll {
		return s.loaded
	}
	s.looked = time.Now()
	if s.files.mark().same(s.loaded.mark) {
		return s.loaded
	}
	next, err := s.files.load()
	if err != nil {
		// Perhaps only half of the files are replaced yet: said once for each state of them, tried again at every look.
		if m := s.files.mark(); !m.same(s.broken) {
			s.broken = m
			s.log.Error("changed certificate files are not used; the earlier ones stay", "error", err.Error(), "until", s.loaded.cert.Leaf.NotAfter)
		}
		return s.loaded
	}
	s.loaded, s.broken = next, mark{}
	s.log.Info("certificate reloaded", "cert", s.files.Cert, "until", next.cert.Leaf.NotAfter)
	return next
}

func (f Files) mark() (m mark) {
	for i, path := range []string{f.Cert, f.Key, f.CA} {
		if info, err := os.Stat(path); err == nil {
			m[i] = info
		}
	}
	return m
}

func (f Files) load() (*loaded, error) {
	out := &loaded{mark: f.mark(), pool: x509.NewCertPool()} // the mark first: what changes while reading is read again
	var err error
	if out.cert, err = tls.LoadX509KeyPair(f.Cert, f.Key); err != nil {
		return nil, fmt.Errorf("load certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	if out.cert.Leaf == nil { // GODEBUG x509keypairleaf=0
		if out.cert.Leaf, err = x509.ParseCertificate(out.cert.Certificate[0]); err != nil {
			return nil, fmt.Errorf("load certificate %s: %w", f.Cert, err)
		}
	}
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("load authorities: %w", err)
	}
	if !out.pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("load authorities: %s holds no certificate in PEM form", f.CA)
	}
	return out, nil
}
