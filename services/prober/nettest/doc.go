// Package nettest measures, once and truthfully, whether a network service
// answers: [TCPTest] connects to a port, [TLSTest] shakes hands and looks at the
// certificate, [HTTPTest] makes a request and reads the whole response.
//
//	result, err := (&nettest.TCPTest{}).Execute(ctx, nettest.TestConfig{
//		Name:    "database",
//		Address: "db.example.com:5432",
//		Timeout: 5 * time.Second,
//	})
//
// Failing is data. Execute always returns a complete result; when the check did
// not succeed it returns an error too, a [*CheckError] that can be asked
// errors.Is(err, nettest.ErrConnectionRefused).
//
// # Whose fault
//
// A result is a success, a failure or a timeout of the target, or an error of
// the observer: no descriptors left, no route at all, a dead resolver, an
// address that the policy forbids. Only the first three say something about the
// target; the error types tell them apart ([ErrorType.Status]).
//
// # Time
//
// TestConfig.Timeout covers everything: name resolution, connecting, TLS, the
// request, headers, body, redirects. When it ends, the result names the phase
// that was running. Phases are stamped as they happen and leave no gap, so they
// sum to the total; a phase that did not happen is absent. A phase that was cut
// short is there with the time it had.
//
// # Names
//
// IPv4 and IPv6 addresses are looked up at the same time, put into the order of
// RFC 6724 within their family, and tried by the rules of RFC 8305 (Happy
// Eyeballs): the second family starts when the first fails or after 250 ms. A
// question over UDP is repeated on its socket after 0.4 s, 1.2 s and so on, so that
// a lost packet is not taken for a silent server.
//
// A [Network] keeps answers for as long as their time to live allows, counted from
// when the question was sent, a minute at most, and asks again before that while
// checks use the name, so that they rarely wait; a result of which this is true
// says so in TestResult.DNSCached, and its phase DNS is the time the memory took.
// Nothing is used after its end, nor after the machine has slept: if asking again
// fails, the next check asks itself and reports what it finds. That a name has no
// address is believed for as long as its zone says, a second at most; failures not
// at all. Memory is bounded in names and bytes; names that are not in use go first.
//
// A check may bring its own name servers ([DNSConfig]). The policy decides whether
// they may be asked. What is known of them, their answers included, is shared by
// the checks that have the same ones, and by no other.
//
// When a lookup fails for another reason than a missing name, the question is who
// is to blame, and the resolver has to prove itself. It does so by answering a
// question, NXDOMAIN included, that it is asked after the failure: anybody's, or
// that for a witness, a random label under a name of [Network.WitnessNames]. The
// label is random so that a cache cannot answer for a resolver that is cut off.
//
//   - If every name server refused to be asked at all, the resolver is dead:
//     [ErrResolverUnavailable].
//   - If it does not prove itself within the check's time, the same.
//   - If it does, the name is asked for again: what kept it from being resolved may
//     be over. Only if it fails on both sides of the proof, the target's zone is to
//     blame: [ErrDNSFailure].
//   - A name that stays unanswered gets its proof early (after a quarter of the
//     timeout, one second at most), is asked for again then, and another proof has
//     to follow while that is unanswered, for [ErrDNSTimeout].
//   - Without witness names, [ResolverHealth] decides: three unrelated names
//     failed within a minute and none was answered since. Servers that a check
//     brought are then at fault for all that they do not answer.
//
// A network whose resolver knows no public names should set WitnessNames to a
// zone that it does know. Servers that a check brought are asked for the same
// witnesses: if they know none of them, they are at fault for names that they fail
// to resolve otherwise than by NXDOMAIN.
//
// # TLS
//
// A handshake is always a full one, and what it shows is in
// TestResult.Certificates, complete even if the certificate is refused: every
// problem is named, not only the first. Time, chain, name and revocation decide
// whether a certificate is valid; weak keys and old signatures are named too. A
// chain that was found right is not verified again while its bytes and the roots
// are the same and all of it is within its time; the proof that the server has
// the key is asked for in every handshake.
//
// A service may be asked for TLS in its own protocol ([StartTLS]). That dialogue
// is bounded, counts to the phase TLS, and fails with [ErrProtocol] if the service
// refuses, speaks something else, or sends anything in plain text after agreeing.
//
// Revocation is looked up in the stapled OCSP response and, with
// [RevocationOnline], at the responder that the certificate names: over plain
// HTTP, under the network's policy, in a quarter of the time that is left and
// three seconds at most, once until the answer has to be renewed (within twelve
// hours). A responder that cannot be asked is a warning, never a failure. Missing
// intermediate certificates are named, not fetched.
//
// # HTTP
//
// Every hop has a connection of its own, over HTTP/1.1, HTTP/2 if the server
// chooses it in the TLS handshake, or the one that [HTTPConfig] asks for by
// Version: without TLS, HTTP/2 is then spoken by prior knowledge, and a server
// that does not speak it fails with [ErrProtocol]. TestResult.HTTPVersion is what
// was spoken. What a check sees is what net/http's client sees: status, headers,
// decoded body (gzip, deflate, brotli, zstd, up to three upon another) and
// redirects; a test beside compares them. It differs in three things: redirected
// methods follow the Fetch standard (only POST becomes GET by 301 and 302),
// fragments are handed on (RFC 9110), and header lines that RFC 9112 forbids are
// an error.
//
// Cookies that a redirect or a challenge sets are sent on within the check, by
// the rules of RFC 6265: domain, path, Secure, nothing for whole public suffixes,
// 16 KiB at most. Credentials, other secrets in headers, the configured name for
// TLS and client certificates go to the first origin only.
//
// A [Proxy] is resolved and dialled like any target, under the policy; behind it
// the proxy resolves and chooses, so [AddressPolicy] and IPVersion are about the
// proxy, and so are ResolvedIP, Port and Addresses. Connecting is the connection
// to the proxy, TLS with it and its tunnel together. A proxy that cannot be
// used is an [ErrProxy]; what it says about the target (a SOCKS reply, 504) is
// the target's. One that was asked for a connection and keeps silent is taken to
// wait for the target: [ErrConnectionTimeout].
//
// [AuthDigest] answers a challenge with a second request on a new connection;
// both are in the phases. [AuthOAuth2] fetches a token first, unless one is
// there; that is neither in the phases nor in the latency, but within the
// timeout. If none can be had, the target was not asked: [ErrAuth]. A target
// that answers 401 has answered: that is a status like another.
//
// [HTTPTest.Prepare] reads a configuration once for many executions.
// [TestResult.SecurityFacts] reads what the last headers say about security.
//
// # Bounds
//
// Whatever the peer does, a check ends within its timeout (plus scheduling) and
// keeps no more than the first [DefaultBodyLimit] bytes of a body and
// [MaxHeaderBytes] of headers; decompression is bounded in bytes and in ratio,
// and so is what comes of HTTP/2 frames and TLS records that say nothing.
// No connection, cookie or TLS session is shared between checks; tokens of OAuth2
// are, within a Network.
package nettest
