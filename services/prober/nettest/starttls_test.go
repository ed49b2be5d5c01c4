package nettest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

// Parts of the scripts.
const (
	ehlo    = "EHLO " + ehloName + "\r\n"
	ehloYes = "250-mail.test hello\r\n250-SIZE 1000\r\n250 starttls\r\n"
	ehloNo  = "250-mail.test hello\r\n250 SIZE 1000\r\n"

	ldapYes = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
	// The same with the long lengths of Active Directory, and a response name.
	ldapLong = "\x30\x84\x00\x00\x00\x28\x02\x01\x01\x78\x84\x00\x00\x00\x1f\x0a\x01\x00\x04\x00\x04\x00" +
		"\x8a\x161.3.6.1.4.1.1466.20037"
	ldapNo = "\x30\x11\x02\x01\x01\x78\x0c\x0a\x01\x34\x04\x00\x04\x05nyet!"
)

// mysqlHello is a greeting with the given capabilities.
func mysqlHello(capabilities byte) string {
	body := "\x0a8.4.9\x00\x07\x00\x00\x00challeng\x00\xff" + string([]byte{capabilities}) + "\x2d\x02\x00\xff\xc1\x15" + strings.Repeat("\x00", 10)
	return string([]byte{byte(len(body)), 0, 0, 0}) + body
}

func say(text string) faulttest.Step    { return faulttest.Step{Say: text} }
func expect(text string) faulttest.Step { return faulttest.Step{Expect: text} }

var shake, stall, reset = faulttest.Step{Shake: true}, faulttest.Step{Stall: true}, faulttest.Step{Reset: true}

type dialogueCase struct {
	name     string
	kind     StartTLS
	steps    []faulttest.Step
	want     ErrorType
	text     string // of the error
	greeting string
}

func dialogueCases() []dialogueCase {
	type steps = []faulttest.Step
	cases := []dialogueCase{
		{"good", StartTLSPostgres, steps{expect(postgresRequest), say("S"), shake}, "", "", ""},
		{"refusal", StartTLSPostgres, steps{expect(postgresRequest), say("N")}, ErrProtocol, "refused TLS: check ssl in", ""},
		{"error", StartTLSPostgres, steps{expect(postgresRequest), say("E\x00\x00\x00\x08SERR")}, ErrProtocol, "with an error", ""},
		{"injection", StartTLSPostgres, steps{expect(postgresRequest), say("SZ\x00\x00\x00\x05I"), shake}, ErrProtocol, "plain text", ""},

		{"good", StartTLSMySQL, steps{say(mysqlHello(0xff)), expect(mysqlRequest), shake}, "", "", "8.4.9"},
		{"refusal", StartTLSMySQL, steps{say(mysqlHello(0xf7)), stall}, ErrProtocol, "does not offer TLS", ""},
		{"error", StartTLSMySQL, steps{say("\x17\x00\x00\x00\xff\x10\x04#08004Too many people")}, ErrProtocol, "error 1040 Too many peo", ""},
		{"old protocol", StartTLSMySQL, steps{say("\x05\x00\x00\x00\x093.2\x00"), stall}, ErrProtocol, "does not speak MySQL", ""},
		{"short", StartTLSMySQL, steps{say("\x08\x00\x00\x00\x0a8.4.9\x00\x01"), stall}, ErrProtocol, "does not speak MySQL", ""},
		{"injection", StartTLSMySQL, steps{say(mysqlHello(0xff) + "more"), shake}, ErrProtocol, "does not speak MySQL", ""},

		{"good", StartTLSSMTP, steps{say("220-hello\r\n220 mail.test\r\n"), expect(ehlo), say(ehloYes), expect("STARTTLS\r\n"), say("220 go\r\n"), shake}, "", "", "hello"},
		{"bare line ends", StartTLSSMTP, steps{say("220 hello\n"), expect(ehlo), say("250-a\n250 STARTTLS\n"), expect("STARTTLS\r\n"), say("220\n"), shake}, "", "", "hello"},
		{"busy", StartTLSSMTP, steps{say("421 come back later\r\n")}, ErrProtocol, "refused TLS: 421 come back later", ""},
		{"no EHLO", StartTLSSMTP, steps{say("220 hello\r\n"), expect(ehlo), say("502 what\r\n"), stall}, ErrProtocol, "502 what", ""},
		{"stripped", StartTLSSMTP, steps{say("220 hello\r\n"), expect(ehlo), say(ehloNo), stall}, ErrProtocol, "does not offer STARTTLS", ""},
		{"only in the name", StartTLSSMTP, steps{say("220 hello\r\n"), expect(ehlo), say("250-STARTTLS\r\n250 XSTARTTLS\r\n"), stall}, ErrProtocol, "does not offer STARTTLS", ""},
		{"refusal", StartTLSSMTP, steps{say("220 hello\r\n"), expect(ehlo), say(ehloYes), expect("STARTTLS\r\n"), say("454 not now\r\n")}, ErrProtocol, "refused TLS: 454 not now", ""},
		{"injection", StartTLSSMTP, steps{say("220 hello\r\n"), expect(ehlo), say(ehloYes), expect("STARTTLS\r\n"), say("220 go\r\n250 believe me\r\n"), shake}, ErrProtocol, "plain text", ""},
		{"codes differ", StartTLSSMTP, steps{say("220-hello\r\n250 mail.test\r\n"), stall}, ErrProtocol, "does not speak SMTP", ""},
		{"endless reply", StartTLSSMTP, steps{say(strings.Repeat("220-hello\r\n", 200)), stall}, ErrProtocol, "more than 100 lines", ""},

		{"good", StartTLSIMAP, steps{say("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"), expect("u2 STARTTLS\r\n"), say("u2 OK go\r\n"), shake}, "", "", "[CAPABILITY IMAP4rev1 STARTTLS] ready"},
		{"asked", StartTLSIMAP, steps{say("* OK ready\r\n"), expect("u1 CAPABILITY\r\n"), say("* CAPABILITY IMAP4rev1 starttls\r\nu1 OK done\r\n"), expect("u2 STARTTLS\r\n"), say("* OK [ALERT] soon\r\nu2 ok go\r\n"), shake}, "", "", "ready"},
		{"stripped", StartTLSIMAP, steps{say("* OK ready\r\n"), expect("u1 CAPABILITY\r\n"), say("* CAPABILITY IMAP4rev1\r\nu1 OK done\r\n"), stall}, ErrProtocol, "does not offer STARTTLS", ""},
		{"refusal", StartTLSIMAP, steps{say("* OK [CAPABILITY STARTTLS]\r\n"), expect("u2 STARTTLS\r\n"), say("u2 NO today\r\n")}, ErrProtocol, "refused TLS: NO today", ""},
		{"injection", StartTLSIMAP, steps{say("* OK [CAPABILITY STARTTLS]\r\n"), expect("u2 STARTTLS\r\n"), say("u2 OK go\r\n* OK trust me\r\n"), shake}, ErrProtocol, "plain text", ""},
		{"logged in", StartTLSIMAP, steps{say("* PREAUTH welcome\r\n"), stall}, ErrProtocol, "cannot begin", ""},
		{"bye", StartTLSIMAP, steps{say("* BYE full\r\n")}, ErrProtocol, "BYE full", ""},

		{"good", StartTLSPOP3, steps{say("+OK ready <1@test>\r\n"), expect("STLS\r\n"), say("+OK\r\n"), shake}, "", "", "ready <1@test>"},
		{"refusal", StartTLSPOP3, steps{say("+OK ready\r\n"), expect("STLS\r\n"), say("-ERR no\r\n")}, ErrProtocol, "refused TLS: -ERR no", ""},
		{"injection", StartTLSPOP3, steps{say("+OK ready\r\n"), expect("STLS\r\n"), say("+OK\r\n+OK logged in\r\n"), shake}, ErrProtocol, "plain text", ""},

		{"good", StartTLSLDAP, steps{expect(ldapRequest), say(ldapYes), shake}, "", "", ""},
		{"long lengths", StartTLSLDAP, steps{expect(ldapRequest), say(ldapLong), shake}, "", "", ""},
		{"refusal", StartTLSLDAP, steps{expect(ldapRequest), say(ldapNo)}, ErrProtocol, "refused TLS: unavailable: TLS is not set up, nyet!", ""},
		{"injection", StartTLSLDAP, steps{expect(ldapRequest), say(ldapYes + ldapYes), shake}, ErrProtocol, "plain text", ""},
		{"indefinite", StartTLSLDAP, steps{expect(ldapRequest), say("\x30\x80\x02\x01\x01"), stall}, ErrProtocol, "does not speak LDAP", ""},
		{"huge", StartTLSLDAP, steps{expect(ldapRequest), say("\x30\x84\x7f\xff\xff\xff"), stall}, ErrProtocol, "does not speak LDAP", ""},
		{"another request", StartTLSLDAP, steps{expect(ldapRequest), say("\x30\x0c\x02\x01\x02\x78\x07\x0a\x01\x00\x04\x00\x04\x00"), stall}, ErrProtocol, "does not speak LDAP", ""},
		{"disconnects", StartTLSLDAP, steps{expect(ldapRequest), say("\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00")}, ErrProtocol, "it disconnects", ""},
	}
	for kind := range startTLSDialogues {
		wait := say("")
		if kind == StartTLSPostgres || kind == StartTLSLDAP {
			wait = expect(map[StartTLS]string{StartTLSPostgres: postgresRequest, StartTLSLDAP: ldapRequest}[kind])
		}
		megabyte := "flood" // what a bound says depends on which one is met
		cases = append(cases,
			dialogueCase{"garbage", kind, steps{wait, say("\xff\xfe\x00\r\n\xff\xff\xff\xff"), stall}, ErrProtocol, "does not speak", ""},
			dialogueCase{"SSH", kind, steps{say("SSH-2.0-OpenSSH_9.9\r\n"), stall}, ErrProtocol, "", ""},
			dialogueCase{megabyte, kind, steps{say(strings.Repeat("220-x\r\n", 150_000)), stall}, ErrProtocol, "", ""},
			dialogueCase{megabyte, kind, steps{say(strings.Repeat("* OK", 250_000)), stall}, ErrProtocol, "", ""},
			dialogueCase{"stall", kind, steps{wait, stall}, ErrTLSTimeout, "", ""},
			dialogueCase{"hang-up", kind, steps{wait}, ErrProtocol, "closed the connection before", ""},
			dialogueCase{"reset", kind, steps{wait, reset}, ErrConnectionReset, "", ""},
		)
	}
	return cases
}

func TestStartTLS(t *testing.T) {
	s, err := faulttest.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, c := range dialogueCases() {
		addr, err := s.ServeScript(c.steps...)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(string(c.kind)+" "+c.name, func(t *testing.T) {
			t.Parallel()
			config := TestConfig{Address: addr, Timeout: 5 * time.Second, Config: TLSConfig{
				StartTLS: c.kind, TLS: TLSOptions{RootCAs: s.Root.Pool()},
			}}
			if c.want == ErrTLSTimeout {
				config.Timeout = 300 * time.Millisecond
			}
			began := time.Now()
			r, err := (&TLSTest{}).Execute(context.Background(), config)
			if took := time.Since(began); took > config.Timeout+100*time.Millisecond {
				t.Errorf("took %s", took)
			}
			if r.ErrorType != c.want || !strings.Contains(r.Error, c.text) || c.want != "" && r.FailedPhase != PhaseTLS {
				t.Fatalf("got %q in phase %q: %s (%v); want %q and %q", r.ErrorType, r.FailedPhase, r.Error, err, c.want, c.text)
			}
			if good := len(r.Certificates) == 1; good != (c.want == "") {
				t.Errorf("%d certificates", len(r.Certificates))
			}
			if !r.Phases.TLS.Valid || r.Phases.TTFB.Valid {
				t.Errorf("phases %+v", r.Phases)
			}
			if c.want != "" {
				return
			}
			// The same within a TCP check, which shows the greeting.
			r, err = (&TCPTest{}).Execute(context.Background(), TestConfig{Address: addr, Timeout: 5 * time.Second, Config: TCPConfig{
				StartTLS: c.kind, TLS: &TLSOptions{RootCAs: s.Root.Pool()}, Banner: c.greeting != "",
			}})
			if err != nil || r.Banner != c.greeting || len(r.Certificates) != 1 {
				t.Errorf("TCP: %v, banner %q, want %q", err, r.Banner, c.greeting)
			}
		})
	}
}

func TestStartTLSByPort(t *testing.T) {
	for port, want := range map[uint16]StartTLS{
		5432: StartTLSPostgres, 3306: StartTLSMySQL, 25: StartTLSSMTP, 587: StartTLSSMTP, 143: StartTLSIMAP, 110: StartTLSPOP3,
		389: StartTLSLDAP, 443: StartTLSNone, 465: StartTLSNone, 636: StartTLSNone, 993: StartTLSNone, 995: StartTLSNone,
	} {
		if got := StartTLSAuto.on(port); got != want {
			t.Errorf("auto on %d is %q, want %q", port, got, want)
		}
		if got := StartTLS("").on(port); got != StartTLSNone {
			t.Errorf("nothing on %d is %q", port, got)
		}
		if got := StartTLSIMAP.on(port); got != StartTLSIMAP {
			t.Errorf("imap on %d is %q", port, got)
		}
	}
}

// scripted is a peer that has said all it will say, at once or byte by byte.
type scripted struct {
	in       *bytes.Reader
	out      bytes.Buffer
	bytewise bool
}

func (s *scripted) Read(p []byte) (int, error) {
	if s.bytewise && len(p) > 1 {
		p = p[:1]
	}
	return s.in.Read(p)
}

func (s *scripted) Write(p []byte) (int, error) { return s.out.Write(p) }

func fuzzDialogue(f *testing.F, kind StartTLS) {
	for _, c := range dialogueCases() {
		if c.kind == kind {
			var all string
			for _, step := range c.steps {
				all += step.Say
			}
			f.Add([]byte(all[:min(len(all), 5000)]))
		}
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		whole := &scripted{in: bytes.NewReader(input)}
		greeting, err := kind.negotiate(whole)
		if read := len(input) - whole.in.Len(); read > dialogueLimit {
			t.Fatalf("read %d bytes", read)
		}
		if whole.out.Len() > 256 || len(greeting) > bannerLimit+8 {
			t.Fatalf("wrote %d bytes, kept %d", whole.out.Len(), len(greeting))
		}
		var protocol protocolError
		switch {
		case err != nil && !errors.As(err, &protocol):
			t.Fatalf("%T %v", err, err)
		case err == nil && whole.in.Len() > 0:
			t.Fatalf("agreed with %d bytes unread", whole.in.Len())
		}
		// How bytes are cut into segments makes no difference but for what comes
		// after the agreement, which is left to the handshake then.
		slow := &scripted{in: bytes.NewReader(input), bytewise: true}
		_, slowErr := kind.negotiate(slow)
		if (err == nil) != (slowErr == nil) && slowErr != nil {
			t.Fatalf("at once %v, byte by byte %v", err, slowErr)
		}
		if err == nil && !bytes.Equal(whole.out.Bytes(), slow.out.Bytes()) {
			t.Fatalf("said %q, byte by byte %q", whole.out.Bytes(), slow.out.Bytes())
		}
	})
}

func FuzzStartTLSPostgres(f *testing.F) { fuzzDialogue(f, StartTLSPostgres) }
func FuzzStartTLSMySQL(f *testing.F)    { fuzzDialogue(f, StartTLSMySQL) }
func FuzzStartTLSSMTP(f *testing.F)     { fuzzDialogue(f, StartTLSSMTP) }
func FuzzStartTLSIMAP(f *testing.F)     { fuzzDialogue(f, StartTLSIMAP) }
func FuzzStartTLSPOP3(f *testing.F)     { fuzzDialogue(f, StartTLSPOP3) }
func FuzzStartTLSLDAP(f *testing.F)     { fuzzDialogue(f, StartTLSLDAP) }

// TestStartTLSPassesErrorsOn: what happens to the connection is not the
// service's word.
func TestStartTLSPassesErrorsOn(t *testing.T) {
	client, server := net.Pipe()
	_ = server.Close()
	_ = client.Close()
	for kind := range startTLSDialogues {
		if _, err := kind.negotiate(client); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
