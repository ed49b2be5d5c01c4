// Package nettest measures, once and truthfully, whether a network service
// answers: [TCPTest] connects to a port, [HTTPTest] makes a request and reads
// the whole response.
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
// IPv4 and IPv6 addresses are looked up at the same time and tried by the rules
// of RFC 8305 (Happy Eyeballs): the second family starts when the first fails or
// after 250 ms. A [Network] keeps answers for as long as their time to live
// allows, five minutes at most, and asks again before that while checks use the
// name, so that they rarely wait; such a result says so in TestResult.DNSCached,
// and its phase DNS is the time the memory took. Nothing is used after its end:
// if asking again fails, the next check asks itself and reports what it finds.
// That a name has no address is believed for a second, failures not at all.
//
// When a lookup fails for another reason than a missing name, the question is who
// is to blame, and the resolver has to prove itself:
//
//   - If every name server refused to be asked at all, the resolver is dead:
//     [ErrResolverUnavailable].
//   - If another name was answered since the lookup began, the target's zone is
//     to blame: [ErrDNSFailure] or [ErrDNSTimeout].
//   - Otherwise a witness is asked: a random label under a name of
//     [Network.WitnessNames]. Any answer, NXDOMAIN included, clears the
//     resolver; none within the check's time convicts it. The label is random so
//     that a cache cannot answer for a resolver that is cut off. A slow lookup
//     starts its witness early (after a quarter of the timeout, one second at
//     most), so that the verdict is there when the time is up.
//   - Without witness names, [ResolverHealth] decides: three unrelated names
//     failed within a minute and none was answered since.
//
// A network whose resolver knows no public names should set WitnessNames to a
// zone that it does know.
//
// # Bounds
//
// Whatever the peer does, a check ends within its timeout (plus scheduling) and
// keeps no more than the first [DefaultBodyLimit] bytes of a body and
// [MaxHeaderBytes] of headers; decompression is bounded in bytes and in ratio.
// No connection, proxy, cookie or TLS session is shared between checks.
package nettest
