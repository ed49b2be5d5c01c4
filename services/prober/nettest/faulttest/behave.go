package faulttest

import (
	"crypto/tls"
	"fmt"
	"maps"
	"strings"
	"time"
)

// behaviours is every fault that accepts connections.
func behaviours() map[Fault]behaviour {
	all := map[Fault]behaviour{}
	for _, part := range []map[Fault]behaviour{
		healthyBehaviours(), connectionBehaviours(), tlsBehaviours(), tlsFloodBehaviours(), framingBehaviours(),
		bodyBehaviours(), redirectBehaviours(), h2Behaviours(),
	} {
		maps.Copy(all, part)
	}
	return all
}

// after runs f once a request has come, and gives the peer time to read what
// f said before the connection is closed.
func after(f func(*conn)) func(*conn) {
	return func(c *conn) {
		if c.request() {
			f(c)
			if c.Conn == c.raw {
				c.linger()
			}
		}
	}
}

// text is a plain answer that never varies.
func text(response string) behaviour {
	return behaviour{serve: after(func(c *conn) { c.say(response) })}
}

// Body is what the well-behaved peers answer.
const Body = "all is well\n"

func healthy(c *conn) { c.answer("200 OK", "X-Fault: none\r\nContent-Type: text/plain\r\n", Body) }

func healthyBehaviours() map[Fault]behaviour {
	return map[Fault]behaviour{
		Healthy:    {serve: after(healthy)},
		HealthyTLS: {tls: goodTLS, serve: after(healthy)},
		LateTLS: {serve: func(c *conn) {
			if !c.pause(Delay) {
				return
			}
			secured := tls.Server(c.raw, goodTLS(&c.server.certs))
			if secured.Handshake() == nil {
				c.Conn = secured
				c.br.Reset(secured)
				after(healthy)(c)
			}
		}},
		LateFirstByte: {serve: after(func(c *conn) {
			if c.pause(Delay) {
				healthy(c)
			}
		})},
		LateBody: {serve: after(func(c *conn) {
			c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(Body)))
			if c.pause(Delay) {
				c.say(Body)
			}
		})},
		NoContent:  text("HTTP/1.1 204 No Content\r\n\r\n"),
		UntilClose: text("HTTP/1.0 200 OK\r\n\r\n" + Body),
		Interim:    text("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
	}
}

func connectionBehaviours() map[Fault]behaviour {
	const half = "HTTP/1.1 200 OK\r\nContent-Type: te"
	const start = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome"
	// A reset would overtake what was written just before: give the peer time.
	resetAfter := func(text string) func(*conn) {
		return after(func(c *conn) {
			c.say(text)
			if c.pause(Delay) {
				c.reset()
			}
		})
	}
	return map[Fault]behaviour{
		Silent:             {serve: (*conn).wait},
		ResetOnAccept:      {serve: (*conn).reset},
		CloseOnAccept:      {serve: (*conn).linger},
		ResetAfterRequest:  {serve: after((*conn).reset)},
		CloseBeforeHeaders: {serve: after(func(*conn) {})},
		CloseInHeaders:     text(half),
		ResetInHeaders:     {serve: resetAfter(half)},
		ResetInBody:        {serve: resetAfter(start)},
		CloseInBody:        text(start),
		StalledHeaders:     {serve: after(func(c *conn) { c.say(half); c.wait() })},
		SlowHeaders:        {serve: after(func(c *conn) { c.drip("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") })},
		StalledBody:        {serve: after(func(c *conn) { c.say(start); c.wait() })},
		SlowBody:           {serve: after(func(c *conn) { c.say(start); c.drip(strings.Repeat("x", 900)) })},
	}
}

func tlsBehaviours() map[Fault]behaviour {
	return map[Fault]behaviour{
		TLSStall:   {serve: (*conn).wait},
		TLSPlain:   {serve: func(c *conn) { c.answer("400 Bad Request", "", "speak plainly\n"); c.linger() }},
		TLSGarbage: {serve: func(c *conn) { c.say(noise); c.linger() }},
		TLSReset:   {serve: func(c *conn) { _, _ = c.br.Peek(1); c.reset() }},
		TLSClose:   {serve: func(c *conn) { c.linger() }},
		TLSOld:     {tls: oldTLS, serve: after(healthy)},
		TLSExpired: {tls: serveCert(func(c *certificates) tls.Certificate { return c.expired }), serve: after(healthy)},
		TLSNotYetValid: {tls: serveCert(func(c *certificates) tls.Certificate { return c.future }),
			serve: after(healthy)},
		TLSWrongHost: {tls: serveCert(func(c *certificates) tls.Certificate { return c.wrongHost }),
			serve: after(healthy)},
		TLSSelfSigned: {tls: serveCert(func(c *certificates) tls.Certificate { return c.selfSigned }),
			serve: after(healthy)},
		TLSClientCert: {tls: clientCertTLS, serve: after(healthy)},
	}
}

// noise is no protocol and has no line end.
var noise = strings.Repeat("\x00\xff\x13\x37", 64)

func framingBehaviours() map[Fault]behaviour {
	return map[Fault]behaviour{
		Garbage:       {serve: after(func(c *conn) { c.say(noise); c.wait() })},
		SSHBanner:     {serve: func(c *conn) { c.say("SSH-2.0-OpenSSH_9.9\r\n"); c.wait() }},
		HTTP09:        text("<html>hello</html>\n"),
		BadStatusCode: text("HTTP/1.1 000 Nothing\r\n\r\n"),
		HugeHeaders: {serve: after(func(c *conn) {
			c.say("HTTP/1.1 200 OK\r\nX-Huge: ")
			for range 160 {
				_, _ = c.Write(zeros)
			}
			c.say("\r\n\r\n")
		})},
		ManyHeaders: {serve: after(func(c *conn) {
			c.say("HTTP/1.1 200 OK\r\n")
			block := strings.Repeat("X-Many: yes\r\n", 1000)
			for range 100 {
				c.say(block)
			}
			c.say("\r\n")
		})},
		NULInHeader:  text("HTTP/1.1 200 OK\r\nX-Odd: a\x00b\r\nContent-Length: 0\r\n\r\n"),
		NoHeaderName: text("HTTP/1.1 200 OK\r\nthis is no header\r\nContent-Length: 0\r\n\r\n"),
		BadChunk:     text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"),
		HugeChunkLine: {serve: after(func(c *conn) {
			c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=")
			for range 16 {
				_, _ = c.Write(zeros)
			}
			c.say("\r\nhello\r\n0\r\n\r\n")
		})},
		CloseInChunk:    text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello"),
		TwoLengths:      text("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
		NegativeLength:  text("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
		UnknownTransfer: text("HTTP/1.1 200 OK\r\nTransfer-Encoding: pig\r\n\r\noink"),
		InterimFlood: {serve: after(func(c *conn) {
			c.flood([]byte(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 100)))
		})},
		Switching:   text("HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n"),
		Unavailable: text("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\nRetry-After: 1\r\n\r\ndown\n"),
		Status999:   text("HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
	}
}

func redirectBehaviours() map[Fault]behaviour {
	redirect := func(to func(*conn) string) behaviour {
		return behaviour{serve: after(func(c *conn) {
			if location := to(c); location != "" {
				c.answer("302 Found", "Location: "+location+"\r\n", "moved\n")
			} else {
				healthy(c)
			}
		})}
	}
	downgrade := redirect(func(c *conn) string { return c.server.URL(Healthy) })
	downgrade.tls = goodTLS
	return map[Fault]behaviour{
		RedirectOnce: redirect(func(c *conn) string {
			if c.path == "/there" {
				return ""
			}
			return "/there"
		}),
		RedirectCookie: {serve: after(func(c *conn) {
			if strings.Contains(c.cookie, "seen=yes") {
				healthy(c)
			} else {
				c.answer("302 Found", "Set-Cookie: seen=yes; Path=/\r\nLocation: /\r\n", "")
			}
		})},
		RedirectOtherHost: redirect(func(c *conn) string { return c.server.URL(Healthy) }),
		RedirectDowngrade: downgrade,
		RedirectLoop: redirect(func(c *conn) string {
			if c.path == "/b" {
				return "/a"
			}
			return "/b"
		}),
		RedirectEndless:    redirect(func(c *conn) string { return c.path + "x" }),
		RedirectNoLocation: text("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
		RedirectScheme:     redirect(func(*conn) string { return "ftp://127.0.0.1/file" }),
		RedirectRefused:    redirect(func(c *conn) string { return c.server.URL(Refused) }),
		RedirectSlow: redirect(func(c *conn) string {
			c.pause(time.Second / 4)
			return c.path + "x"
		}),
	}
}
