package prober

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// stepKind is what a step does; the values are those of the contract.
type stepKind int32

const (
	stepResolve stepKind = 1
	stepConnect stepKind = 2
	stepTLS     stepKind = 3
	stepHTTP    stepKind = 4
)

// Who is asked in a step of the kind resolve.
const (
	configuredResolver = "configured"
	secondResolver     = "second"
)

// How long a step may take. One after the other they fit into examineWithin.
const (
	resolveWithin = 2 * time.Second
	connectWithin = 3 * time.Second
	tlsWithin     = 3 * time.Second
)

// step is what one step found.
type step struct {
	kind      stepKind
	resolver  string
	family    nettest.IPVersion
	target    string
	took      time.Duration
	skipped   string            // why it was not made; empty if it was
	errorType nettest.ErrorType // empty: it worked
	detail    string
	addrs     []netip.Addr
	code      int      // status
	problems  []string // validation errors of a repeated request
	cut       bool     // it had less time than the check
	shown     *nettest.Certificate
}

func (s *step) ran() bool { return s.skipped == "" }
func (s *step) ok() bool  { return s.ran() && s.errorType == "" }

// failed notes how a test ended.
func (s *step) failed(err error) {
	var typed *nettest.CheckError
	switch {
	case err == nil:
	case errors.As(err, &typed):
		s.errorType, s.detail = typed.Type, typed.Message
	default:
		s.errorType, s.detail = nettest.ErrInternal, err.Error()
	}
}

// examination is one run of steps.
type examination struct {
	*examiner
	subject *subject
	check   *prepared
	steps   []step
}

// run takes the steps, each only if those before it left something to look at.
func (e *examination) run(ctx context.Context) {
	addrs := e.resolve(ctx)
	if len(addrs) == 0 {
		return
	}
	opened := e.connect(ctx, addrs)
	if !opened.IsValid() {
		return
	}
	var rest [2]*step
	var work sync.WaitGroup
	if e.subject.tls != nil {
		work.Go(func() { rest[0] = e.handshake(ctx, opened) })
	}
	if e.subject.http {
		work.Go(func() { rest[1] = e.request(ctx) })
	}
	work.Wait()
	for _, s := range rest {
		if s != nil {
			e.steps = append(e.steps, *s)
		}
	}
}

// resolve asks both resolvers, and returns the addresses that the check would use.
func (e *examination) resolve(ctx context.Context) []netip.Addr {
	if e.subject.addr.IsValid() {
		return []netip.Addr{e.subject.addr}
	}
	own := e.ask(ctx, e.network, e.subject.dns, configuredResolver)
	second := step{kind: stepResolve, resolver: secondResolver, target: e.subject.host}
	switch {
	case e.second == nil:
		second.skipped = "No second resolver is set"
	case !publicName(e.subject.host):
		second.skipped = "The name is not one of the public DNS"
	case own.ok() && !slices.ContainsFunc(own.addrs, isPublic):
		second.skipped = "The name leads to a private network"
	default:
		second = e.ask(ctx, e.examiner.second, nil, secondResolver)
	}
	e.steps = append(e.steps, own, second)
	return own.addrs
}

func isPublic(a netip.Addr) bool { return a.IsGlobalUnicast() && !a.IsPrivate() }

// ask looks the name up for each family that the check may use.
func (e *examination) ask(ctx context.Context, n *nettest.Network, d *nettest.DNSConfig, resolver string) step {
	s := step{kind: stepResolve, resolver: resolver, target: e.subject.host}
	families := []nettest.IPVersion{nettest.IPv4, nettest.IPv6}
	if e.subject.family == nettest.IPv4 || e.subject.family == nettest.IPv6 {
		families = []nettest.IPVersion{e.subject.family}
	}
	name := e.subject.host
	if resolver == secondResolver {
		name += "." // the search list is of the network here, and nobody else's business
	}
	ctx, cancel := context.WithTimeout(ctx, resolveWithin)
	defer cancel()
	began := time.Now()
	found := make([][]netip.Addr, len(families))
	errs := make([]error, len(families))
	var asking sync.WaitGroup
	for i, family := range families {
		asking.Go(func() { found[i], errs[i] = n.Lookup(ctx, name, d, family) })
	}
	asking.Wait()
	s.took = time.Since(began)
	s.addrs = slices.Concat(found...)
	if len(s.addrs) > 0 {
		return s
	}
	s.failed(errs[0])
	for _, err := range errs[1:] { // a name is missing only if it has no address of any family
		if s.errorType == nettest.ErrDNSNXDomain && !errors.Is(err, nettest.ErrDNSNXDomain) {
			s.failed(err)
		}
	}
	return s
}

// connect tries the first address of each family, and returns one that accepted.
func (e *examination) connect(ctx context.Context, addrs []netip.Addr) (opened netip.Addr) {
	var first []netip.Addr
	for _, is4 := range []bool{true, false} {
		if at := slices.IndexFunc(addrs, func(a netip.Addr) bool { return a.Is4() == is4 }); at >= 0 {
			first = append(first, addrs[at])
		}
	}
	steps := make([]step, len(first))
	var work sync.WaitGroup
	for i, addr := range first {
		work.Go(func() { steps[i] = e.open(ctx, addr) })
	}
	work.Wait()
	e.steps = append(e.steps, steps...)
	for i := range steps {
		if steps[i].ok() {
			return first[i]
		}
	}
	return netip.Addr{}
}

func (e *examination) open(ctx context.Context, addr netip.Addr) step {
	s := step{kind: stepConnect, family: familyOf(addr), target: netip.AddrPortFrom(addr, e.subject.port).String()}
	t, err := (&nettest.TCPTest{Network: e.network}).Execute(ctx, nettest.TestConfig{Address: s.target, Timeout: connectWithin})
	s.took = t.Phases.Total
	s.failed(err)
	switch s.errorType {
	case nettest.ErrNoIPv6:
		s.skipped, s.errorType, s.detail = "This prober has no IPv6", "", ""
	case nettest.ErrEgressDenied:
		s.skipped, s.errorType, s.detail = "The egress policy of this prober does not allow the address", "", ""
	}
	return s
}

func familyOf(addr netip.Addr) nettest.IPVersion {
	if addr.Is4() {
		return nettest.IPv4
	}
	return nettest.IPv6
}

// handshake makes one with an address that accepts connections, for the name that the check has.
func (e *examination) handshake(ctx context.Context, addr netip.Addr) *step {
	s := &step{kind: stepTLS, family: familyOf(addr), target: netip.AddrPortFrom(addr, e.subject.port).String()}
	options := *e.subject.tls
	if options.ServerName == "" && !e.subject.addr.IsValid() {
		options.ServerName = e.subject.host
	}
	t, err := (&nettest.TLSTest{Network: e.network}).Execute(ctx, nettest.TestConfig{
		Address: s.target, Timeout: tlsWithin, Config: nettest.TLSConfig{StartTLS: e.subject.startTLS, TLS: options},
	})
	s.took = t.Phases.TLS.Duration
	s.failed(err)
	if n := len(t.Certificates); n > 0 {
		s.shown = &t.Certificates[n-1]
	}
	return s
}

// request makes the check's own request again, with all that it proves itself with: to nobody else than the check does.
func (e *examination) request(ctx context.Context) *step {
	s := &step{kind: stepHTTP, target: e.check.url, skipped: e.subject.keep}
	if s.skipped != "" {
		return s
	}
	began := time.Now()
	t, _, err := e.check.once(ctx, e.check.config.Timeout, 1, false)
	s.took = time.Since(began)
	s.failed(err)
	s.code, s.problems = t.StatusCode, t.ValidationErrors
	s.cut = ctx.Err() != nil && s.took < e.check.config.Timeout
	return s
}
