package notify

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// postOffice is a real mail server on loopback.
type postOffice struct {
	roots *x509.CertPool // whom its certificate is to be trusted from
	base  map[string]any // the settings that lead to it

	certificate []byte // of its own, in DER

	ways []string // of logging in; none means that it asks for none
	mail func(from string) error
	rcpt func(to string) error
	data func() error
	auth func(user, password string) error

	mu  sync.Mutex
	got []envelope
}

// envelope is a message that was taken.
type envelope struct {
	from    string
	to      []string
	user    string
	secured bool
	hello   string
	body    []byte
}

// open starts it; tlsFirst is a port where TLS begins with the first byte, and withTLS offers STARTTLS.
func (o *postOffice) open(t *testing.T, tlsFirst, withTLS bool) {
	t.Helper()
	var certificate tls.Certificate
	certificate, o.roots = selfMade(t)
	o.certificate = certificate.Certificate[0]
	srv := smtp.NewServer(o)
	srv.Domain, srv.AllowInsecureAuth, srv.EnableSMTPUTF8 = "mx.example.com", true, true
	srv.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if withTLS || tlsFirst {
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.base = settingsFor(t, "smtp://"+l.Addr().String())
	if tlsFirst {
		l, srv.TLSConfig = tls.NewListener(l, srv.TLSConfig), nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		_ = l.Close() // the server does not know it yet, if nobody has called
		<-done
	})
}

// settingsFor are the settings of a target at an address.
func settingsFor(t *testing.T, address string) map[string]any {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"host": u.Hostname(), "port": port, "from": "Frogstats Uptime <alerts@example.com>", "to": []any{"ops@example.com", "Ämter <desk@example.org>"}}
}

func (o *postOffice) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &counter{office: o, conn: c}, nil
}

func (o *postOffice) taken() []envelope {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.got)
}

// counter is one session.
type counter struct {
	office *postOffice
	conn   *smtp.Conn
	user   string
	now    envelope
}

func (c *counter) Reset()        { c.now = envelope{} }
func (c *counter) Logout() error { return nil }

func (c *counter) AuthMechanisms() []string { return c.office.ways }

func (c *counter) Auth(way string) (sasl.Server, error) {
	check := func(user, password string) error {
		if c.office.auth != nil {
			if err := c.office.auth(user, password); err != nil {
				return err
			}
		}
		c.user = user
		return nil
	}
	switch way {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case sasl.Login:
		return &loginWay{check: check}, nil
	case "CRAM-MD5":
		return cramWay{check}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (c *counter) Mail(from string, o *smtp.MailOptions) error {
	if o.UTF8 {
		return errors.New("SMTPUTF8 was asked for")
	}
	if len(c.office.ways) > 0 && c.user == "" {
		return smtp.ErrAuthRequired
	}
	if c.office.mail != nil {
		if err := c.office.mail(from); err != nil {
			return err
		}
	}
	_, secured := c.conn.TLSConnectionState()
	c.now = envelope{from: from, user: c.user, secured: secured, hello: c.conn.Hostname()}
	return nil
}

func (c *counter) Rcpt(to string, _ *smtp.RcptOptions) error {
	if c.office.rcpt != nil {
		if err := c.office.rcpt(to); err != nil {
			return err
		}
	}
	c.now.to = append(c.now.to, to)
	return nil
}

func (c *counter) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if c.office.data != nil {
		if err := c.office.data(); err != nil {
			return err
		}
	}
	c.now.body = body
	c.office.mu.Lock()
	defer c.office.mu.Unlock()
	c.office.got = append(c.office.got, c.now)
	return nil
}

// loginWay is the mechanism LOGIN, which asks two questions.
type loginWay struct {
	check func(user, password string) error
	step  int
	user  string
}

func (w *loginWay) Next(response []byte) (challenge []byte, done bool, err error) {
	w.step++
	switch {
	case w.step == 1 && response == nil:
		return []byte("Username:"), false, nil
	case w.user == "":
		w.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, w.check(w.user, string(response))
}

// cramWay is the mechanism CRAM-MD5, in which the password itself is not sent (RFC 2195).
type cramWay struct {
	check func(user, password string) error
}

const cramChallenge = "<1896.697170952@mx.example.com>"

func (w cramWay) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return []byte(cramChallenge), false, nil
	}
	user, digest, _ := strings.Cut(string(response), " ")
	mac := hmac.New(md5.New, []byte(canary))
	mac.Write([]byte(cramChallenge))
	if digest != hex.EncodeToString(mac.Sum(nil)) {
		return nil, true, errors.New("wrong digest")
	}
	return nil, true, w.check(user, canary)
}

// selfMade is a certificate for loopback that nobody else trusts.
func selfMade(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.example.com"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"mx.example.com"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// with are settings with others added; nil takes one away.
func with(settings map[string]any, more map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range settings {
		out[name] = value
	}
	for name, value := range more {
		if out[name] = value; value == nil {
			delete(out, name)
		}
	}
	return out
}

// mailing sends a message to the office.
func (o *postOffice) mailing(t *testing.T, more map[string]any, p Parcel) Result {
	t.Helper()
	return mailer{roots: o.roots}.send(t.Context(), guarded(t), merged(t, "email", with(o.base, more)), p)
}

// scripted is a mail server that answers line by line, and then goes silent. It returns its settings.
func scripted(t *testing.T, answers ...string) map[string]any {
	t.Helper()
	return settingsFor(t, listen(t, func(c net.Conn) {
		lines := bufio.NewReader(c)
		for _, a := range answers {
			if _, err := io.WriteString(c, a); err != nil {
				return
			}
			if strings.HasPrefix(a, "354") {
				for line := ""; line != ".\r\n"; {
					var err error
					if line, err = lines.ReadString('\n'); err != nil {
						return
					}
				}
				continue
			}
			if _, err := lines.ReadString('\n'); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, lines)
	}))
}

func plainServer(t *testing.T) map[string]any {
	t.Helper()
	return settingsFor(t, stand(t, func(http.ResponseWriter, *http.Request) {}))
}
