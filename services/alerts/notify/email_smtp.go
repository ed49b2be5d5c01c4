package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// mailer hands messages to mail servers.
type mailer struct {
	roots *x509.CertPool // whom certificates are trusted from; nil means the system's
}

const (
	// maxServerBytes is how much a mail server may say in one attempt, TLS included.
	maxServerBytes = 256 << 10
	// quitTime is how long a server that has taken a message may take to say goodbye.
	quitTime = time.Second
)

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// deliver makes one attempt. ctx bounds it as a whole: at its end the connection is closed, whatever the server is at.
func (m mailer) deliver(ctx context.Context, dial dialFunc, v values, l letter, raw []byte) Result {
	conn, err := dial(ctx, "tcp", net.JoinHostPort(v.text("host"), strconv.Itoa(v.number("port"))))
	if err != nil {
		return mailFault(v, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	r, err := m.converse(ctx, &boundedConn{conn, maxServerBytes}, v, l, raw)
	if err == nil {
		return r
	}
	if ctx.Err() != nil {
		err = ctx.Err() // what follows from closing the connection explains nothing
	}
	return mailFault(v, err)
}

// converse is one session with a mail server, up to the message having been taken. A result without an error is final.
func (m mailer) converse(ctx context.Context, conn net.Conn, v values, l letter, raw []byte) (Result, error) {
	c, err := m.open(ctx, conn, v, l)
	if err != nil {
		return Result{}, err
	}
	if err := logIn(c, v); err != nil {
		return Result{}, err
	}
	if err := c.Mail("<" + l.sender + ">"); err != nil {
		return Result{}, err
	}
	refused, err := address(c, l.recipients)
	if err != nil {
		return Result{}, err
	}
	if len(refused) == len(l.recipients) {
		return Result{}, refused.worth()
	}
	if err := hand(c, raw); err != nil {
		return Result{}, err
	}
	r := Result{OK: true, StatusCode: codeTaken, Error: refused.told(v)}
	_ = conn.SetDeadline(time.Now().Add(quitTime))
	_ = c.Quit() // the message has been taken
	return r, nil
}

// codeTaken is the reply code of a server that has taken a message.
const codeTaken = 250

// open greets the server and secures the connection as it is configured.
func (m mailer) open(ctx context.Context, conn net.Conn, v values, l letter) (*smtp.Client, error) {
	security, host := v.text("security"), v.text("host")
	trust := &tls.Config{ServerName: host, RootCAs: m.roots, MinVersion: tls.VersionTLS12}
	if security == mailTLS {
		secured := tls.Client(conn, trust)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secured
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return nil, err
	}
	c.SkipSMTPUTF8(true) // no address here needs it, and not every server on the way may have it
	if err := c.Hello(l.domain); err != nil {
		return nil, err
	}
	if security != mailSTARTTLS && security != mailOpportunistic {
		return c, nil
	}
	if has, _ := c.Extension("STARTTLS"); !has {
		if security == mailOpportunistic {
			return c, nil
		}
		return nil, errNoSTARTTLS
	}
	trust.InsecureSkipVerify = security == mailOpportunistic // whoever takes clear text takes any certificate
	return c, c.StartTLS(trust)
}

// What a server does not offer now it may offer when somebody has mended it.
var (
	errNoSTARTTLS = errors.New("the mail server offers no STARTTLS")
	errNoLogin    = errors.New("the mail server offers no way to log in that is known here")
)

// logIn gives the user name and password, if there are any. The ways are in the order of how surely they work; the connection
// is secured, so all of them are safe.
func logIn(c *smtp.Client, v values) error {
	user, password, host := v.text("username"), v.text("password"), v.text("host")
	if user == "" {
		return nil
	}
	_, offered := c.Extension("AUTH")
	ways := strings.Fields(strings.ToUpper(offered))
	var way smtp.Auth
	switch {
	case slices.Contains(ways, "PLAIN"):
		way = smtp.PlainAuth("", user, password, host, false)
	case slices.Contains(ways, "LOGIN"):
		way = smtp.LoginAuth(user, password, host, false)
	case slices.Contains(ways, "CRAM-MD5"):
		way = smtp.CRAMMD5Auth(user, password)
	default:
		return errNoLogin
	}
	err := c.Auth(way)
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return &loginError{reply.Code}
	}
	return err
}

// loginError reports a server that did not let us in. It does not repeat the server's words.
type loginError struct{ code int }

func (e *loginError) Error() string {
	return "the mail server did not accept the user name and password (" + strconv.Itoa(e.code) + ")"
}

// refusal is a recipient whom the server does not take messages for, and why.
type refusal struct {
	recipient string
	reply     *textproto.Error
}

type refusals []refusal

// address names the recipients. An error means that the server cannot be talked with any more.
func address(c *smtp.Client, recipients []string) (refused refusals, err error) {
	for _, to := range recipients {
		err := c.Rcpt("<" + to + ">")
		reply, ok := errors.AsType[*textproto.Error](err)
		switch {
		case err == nil:
		case ok && reply.Code != codeClosing:
			refused = append(refused, refusal{to, reply})
		default:
			return nil, err
		}
	}
	return refused, nil
}

// codeClosing is the reply code of a server that is about to close the connection.
const codeClosing = 421

// worth is the refusal to go by when there is nothing else: one that may pass, if there is one.
func (all refusals) worth() error {
	for _, one := range all {
		if passing(one.reply.Code) {
			return one.reply
		}
	}
	return all[0].reply
}

// told says who did not get a message that others got. Sending it again would bother those.
func (all refusals) told(v values) string {
	var parts []string
	for _, one := range all {
		parts = append(parts, one.recipient+" ("+said(v, one.reply)+")")
	}
	if len(parts) == 0 {
		return ""
	}
	return OneLine("the mail server took it for others, but not for "+strings.Join(parts, ", "), maxTold)
}

// maxTold bounds what is said of recipients.
const maxTold = 500

// hand gives the message away. Without an error the server has it, and will deliver it.
func hand(c *smtp.Client, raw []byte) error {
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	return w.Close()
}

// passing tells of a negative reply whether it may be another one later.
func passing(code int) bool { return code >= 400 && code <= 499 }

// said is a reply for people.
func said(v values, reply *textproto.Error) string {
	return OneLine(strconv.Itoa(reply.Code)+" "+hideMail(v, reply.Msg), maxReason)
}

// mailFault says in our own words why a message was not taken.
func mailFault(v values, err error) Result {
	if login, ok := errors.AsType[*loginError](err); ok {
		return Result{StatusCode: login.code, Error: login.Error(), Refused: !passing(login.code)}
	}
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return Result{StatusCode: reply.Code, Error: "the mail server answered " + said(v, reply), Refused: reply.Code >= 500}
	}
	var record tls.RecordHeaderError
	var protocol textproto.ProtocolError
	switch {
	case errors.Is(err, errNoSTARTTLS), errors.Is(err, errNoLogin):
		return Result{Error: err.Error()}
	case errors.Is(err, errTalkative), errors.As(err, &protocol), errors.As(err, &record):
		return Result{Error: "the receiver does not speak SMTP, or not with this security"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return Result{Error: "the receiver cut the connection"}
	}
	if r := Unreached(err); r != Unreached(nil) {
		return r
	}
	return Result{Error: "the receiver could not be reached or did not speak SMTP"}
}

// boundedConn reads no more than left bytes, so that a server cannot make us remember more.
type boundedConn struct {
	net.Conn
	left int
}

var errTalkative = errors.New("the server says too much")

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTalkative
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
