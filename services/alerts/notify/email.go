package notify

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/mail"
	"net/netip"
	"regexp"
	"strings"

	"github.com/frogstats/uptime/internal/fault"
)

// email is a mail server that takes messages from us, and the people they are for. Each target has a server of its own.
var email = Notifier{
	Merge: emailForm.merge, Show: emailForm.show, Send: mailer{}.send, List: func(json.RawMessage) int { return MaxList },
}

// How the connection to the mail server is secured.
const (
	mailSTARTTLS      = "starttls"      // or not at all
	mailTLS           = "tls"           // from the first byte on
	mailOpportunistic = "opportunistic" // STARTTLS if the server has it, whatever its certificate is
	mailClear         = "none"
)

// The ports that say how a connection begins.
const (
	portSubmission  = 587
	portSubmissions = 465
)

// Every setting that decides who gets to see the password is a destination.
var emailForm = form{name: "email", fields: []field{
	{name: "host", required: true, destination: true, check: checkHost},
	{name: "port", kind: number, fallback: portSubmission, low: 1, high: 65535, destination: true},
	{name: "security", fallback: mailSTARTTLS, oneOf: []string{mailSTARTTLS, mailTLS, mailOpportunistic, mailClear}, destination: true},
	{name: "username", check: atMost(320)},
	{name: "password", secret: true},
	{name: "from", required: true, check: checkMailbox},
	{name: "to", kind: list, required: true, check: checkMailbox},
	{name: "trusted_cas", kind: list, fallback: []string{}, destination: true, lines: maxMailCAs, check: checkCertificates},
}, check: emailCheck}

func emailCheck(v values) (bad []fault.Field) {
	note := func(name, message string) { bad = append(bad, fault.Field{Name: name, Message: message}) }
	security, port := v.text("security"), v.number("port")
	if security != mailTLS && port == portSubmissions {
		note("security", "must be tls for port 465, where TLS begins with the first byte")
	}
	if security == mailTLS && (port == portSubmission || port == 25) {
		note("security", "must be starttls for ports 25 and 587; tls is for port 465")
	}
	if (v.text("username") == "") != (v.text("password") == "") {
		note("username", "and password go together")
	}
	if v.text("password") != "" && security != mailSTARTTLS && security != mailTLS {
		note("security", "must be starttls or tls where there is a password, which could be read on its way otherwise")
	}
	authorities := v.list("trusted_cas")
	if len(authorities) > 0 && security != mailSTARTTLS && security != mailTLS {
		note("trusted_cas", "must be absent with the security "+security+", by which no certificate is checked")
	}
	if n := len(strings.Join(authorities, "")); n > maxMailCAs {
		note("trusted_cas", fmt.Sprintf("must have at most %d bytes in all", maxMailCAs))
	}
	return bad
}

// maxMailCAs is how many bytes of certificates a target may have.
const maxMailCAs = 64 << 10

// checkCertificates wants certificates in PEM and nothing else, as the settings of checks do.
func checkCertificates(text string) string {
	rest, n := bytes.TrimSpace([]byte(text)), 0
	for ; len(rest) > 0; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			return "must be certificates in PEM and nothing else"
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Sprintf("certificate %d cannot be read", n+1)
		}
		rest = bytes.TrimSpace(rest)
	}
	if n == 0 {
		return "must be at least one certificate in PEM"
	}
	return ""
}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)

func checkHost(text string) string {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" || hostForm.MatchString(text) {
		return ""
	}
	return "must be the name of a host or an IP address, without a port"
}

// mailboxForm leaves out what mail servers rarely understand: quotes, addresses of hosts, and characters beyond ASCII, which
// not every server on the way may take.
var mailboxForm = regexp.MustCompile("^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")

func checkMailbox(text string) string {
	if a, err := mail.ParseAddress(text); err != nil || !mailboxForm.MatchString(a.Address) {
		return "must be an e-mail address, as in ops@example.com or Operations <ops@example.com>"
	}
	return ""
}

// letter is what a message needs besides its words.
type letter struct {
	from string   // as it is configured, with a name
	to   []string // the same
	// The envelope: bare addresses.
	sender     string
	recipients []string
	domain     string // of the sender; what is made up here lies below it
}

// letterOf reads the addresses; false if one is none.
func letterOf(v values) (letter, bool) {
	l := letter{from: v.text("from")}
	from, err := mail.ParseAddress(l.from)
	if err != nil {
		return letter{}, false
	}
	l.sender = from.Address
	l.domain = l.sender[strings.LastIndexByte(l.sender, '@')+1:]
	seen := map[string]bool{}
	for _, text := range v.list("to") {
		to, err := mail.ParseAddress(text)
		if err != nil {
			return letter{}, false
		}
		if !seen[to.Address] {
			seen[to.Address] = true
			l.to, l.recipients = append(l.to, text), append(l.recipients, to.Address)
		}
	}
	return l, len(l.to) > 0
}

// send is a Notifier's Send.
func (m mailer) send(ctx context.Context, client *http.Client, s Settings, p Parcel) Result {
	v, ok := emailForm.usable(s)
	l, readable := letterOf(v)
	if !ok || !readable {
		return Result{Error: "the stored configuration cannot be read", Refused: true}
	}
	raw, err := l.write(p)
	if err != nil {
		return Result{Error: "the message could not be written", Refused: true}
	}
	dial, err := guardedDial(client)
	if err != nil {
		return Result{Error: err.Error(), Refused: true}
	}
	if authorities := v.list("trusted_cas"); len(authorities) > 0 {
		m.roots = x509.NewCertPool()
		m.roots.AppendCertsFromPEM([]byte(strings.Join(authorities, "\n")))
	}
	return m.deliver(ctx, dial, v, l, raw)
}

// hideMail takes out of a server's words what it was told in confidence, in the forms in which it was told.
func hideMail(v values, line string) string {
	user, password := v.text("username"), v.text("password")
	line = emailForm.redact(v, line)
	if password == "" {
		return line
	}
	for _, told := range []string{password, "\x00" + user + "\x00" + password} {
		line = strings.ReplaceAll(line, base64.StdEncoding.EncodeToString([]byte(told)), hiddenValue)
	}
	return line
}
