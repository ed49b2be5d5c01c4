package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/callsig"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

// Remote probers speak gRPC to the same port as everybody else. The edge finds out who they are, call by call (see
// internal/callsig), and passes a few methods on, byte by byte, in the prober's name. docs/probers.md has the outside view.

const (
	proberCacheTTL  = 5 * time.Second // whose a certificate is
	proberCacheSize = 4096
	proberRecheck   = 10 * time.Second // whether an open stream's certificate is still good
	proberCut       = 5 * time.Second  // how long a prober that is cut off may take to read so

	maxProberCalls   = 4096 // in progress, streams included
	maxCallsOfProber = 32
	maxJoins         = 32
	maxProberMessage = 16 << 20 // as inside
	maxJoinMessage   = 32 << 10
	proberCallTime   = 30 * time.Second // of calls that are not streams
)

// proberMethod is how one method is passed on.
type proberMethod struct {
	conn   string // name in Config.Conns
	public bool   // needs no certificate
	stream bool   // lasts
}

// proberMethods are all that passes.
var proberMethods = map[string]proberMethod{
	monitorsv1.AssignmentsService_WatchAssignments_FullMethodName: {conn: "monitors", stream: true},
	monitorsv1.AssignmentsService_RenewLease_FullMethodName:       {conn: "monitors"},
	eventsv1.RecorderService_Record_FullMethodName:                {conn: "events", stream: true},
	eventsv1.RecorderService_ListLastSlots_FullMethodName:         {conn: "events", stream: false},
	eventsv1.RecorderService_RecordEvidence_FullMethodName:        {conn: "events"},
	monitorsv1.EnrolmentService_JoinProber_FullMethodName:         {conn: "monitors", public: true},
	monitorsv1.EnrolmentService_RotateCertificate_FullMethodName:  {conn: "monitors"},
}

var errNotPassed = &fault.Error{Kind: fault.KindDenied, Public: "this method is not for remote probers", Reason: "METHOD_NOT_PASSED"}

// agents lets remote probers in.
type agents struct {
	g      *Gateway
	enrol  monitorsv1.EnrolmentServiceClient
	hosts  []string // that calls may be meant for, beside the one that they reached
	seen   callsig.Seen
	owners proberCache

	recheck, cut time.Duration

	mu         sync.Mutex
	open       int
	perProber  map[string]int
	joins      int
	streaming  atomic.Int64
	passed     atomic.Int64
	strangers  atomic.Int64 // calls of nobody that is known
	turnedAway atomic.Int64 // methods that do not pass, and limits
}

func newAgents(g *Gateway) *agents {
	a := &agents{
		g: g, enrol: monitorsv1.NewEnrolmentServiceClient(g.cfg.Conns["monitors"]), perProber: map[string]int{},
		recheck: proberRecheck, cut: proberCut,
	}
	if g.cfg.PublicHost != "" {
		a.hosts = []string{g.cfg.PublicHost}
	}
	return a
}

// answer handles one call.
func (a *agents) answer(w http.ResponseWriter, r *http.Request) {
	c := newAgentCall(a, w, r)
	defer c.finish()
	c.fail(a.admit(c))
}

// admit finds out who calls, and passes the call on if they may.
func (a *agents) admit(c *agentCall) (err error) {
	m, ok := proberMethods[c.method]
	switch {
	case c.r.ProtoMajor < 2:
		return errNotHTTP2
	case !ok:
		a.turnedAway.Add(1)
		return errNotPassed
	case c.encoding != "" && c.encoding != "identity":
		a.turnedAway.Add(1)
		return errEncoding
	}
	if m.public {
		c.maxMessage = maxJoinMessage
		leave, err := a.enterJoin()
		if err != nil {
			a.turnedAway.Add(1)
			return err
		}
		defer leave()
		return a.pass(c, m)
	}
	if err := a.authenticate(c); err != nil {
		if isOver(err) {
			a.strangers.Add(1)
		}
		return err
	}
	leave, err := a.enter(c.principal.Name)
	if err != nil {
		a.turnedAway.Add(1)
		return err
	}
	defer leave()
	if m.stream {
		a.streaming.Add(1)
		defer a.streaming.Add(-1)
	}
	return a.pass(c, m)
}

// authenticate fills in whose call it is.
func (a *agents) authenticate(c *agentCall) error {
	cred, err := callsig.Parse(c.r.Header.Values(callsig.CertificateKey), c.r.Header.Values(callsig.SignatureKey))
	if err != nil {
		return fault.Unauthenticated("a prober's certificate and signature are required").Because("NOT_SIGNED").Wrap(err)
	}
	now := time.Now()
	if _, err := cred.Verify(c.method, append([]string{c.client.host, c.r.Host}, a.hosts...), now); err != nil {
		return a.refusal(c, err, now)
	}
	who, err := a.ownerOf(c.r.Context(), cred.Certificate, c.client.ip)
	if err != nil {
		return err
	}
	if !a.seen.First(cred.Nonce, now) {
		return fault.Unauthenticated("this call was made before").Because("REPLAYED")
	}
	c.certificate, c.principal = cred.Certificate, who
	return nil
}

// refusal says why a signature does not hold, so that somebody can do something about it.
func (a *agents) refusal(c *agentCall, err error, now time.Time) error {
	var skew *callsig.SkewError
	var host *callsig.HostError
	switch {
	case errors.As(err, &skew):
		c.trailer.Set(callsig.TimeKey, strconv.FormatInt(now.UnixMilli(), 10))
		ahead := "behind"
		if skew.Signed.After(now) {
			ahead = "ahead of"
		}
		return fault.Unauthenticated(fmt.Sprintf("the prober's clock is %s %s the server's, which says %s",
			skew.Signed.Sub(now).Abs().Round(time.Second), ahead, now.UTC().Format(time.RFC3339))).Because("CLOCK_SKEW").Wrap(err)
	case errors.As(err, &host):
		return fault.Unauthenticated(fmt.Sprintf("the prober called the host %q, and the call arrived for %q: let the proxy in front pass the "+
			"Host header on, or set public-url", host.Signed, host.Reached)).Because("HOST_MISMATCH").Wrap(err)
	}
	return fault.Unauthenticated("the prober's signature does not hold").Because("BAD_SIGNATURE").Wrap(err)
}

// ownerOf returns whose a certificate is, as monitors said within proberCacheTTL.
func (a *agents) ownerOf(ctx context.Context, certificate []byte, ip string) (identity.Principal, error) {
	if p, ok := a.owners.get(certificate); ok {
		p.RemoteIP = ip
		return p, nil
	}
	ctx, cancel := context.WithTimeout(identity.NewContext(ctx, identity.Principal{Kind: identity.KindService, Name: gatewayName, RemoteIP: ip}), callTimeout)
	defer cancel()
	asked := time.Now()
	got, err := a.enrol.AuthenticateProber(ctx, &monitorsv1.AuthenticateProberRequest{Certificate: certificate})
	if err != nil {
		return identity.Anonymous, fmt.Errorf("authenticate prober: %w", err)
	}
	p := identity.Principal{Kind: identity.KindProber, Name: got.GetProberId(), Region: got.GetRegion()}
	a.owners.put(certificate, p, asked)
	p.RemoteIP = ip
	return p, nil
}

// gatewayName is the edge's own among services.
const gatewayName = "gateway"

// isStill reports an error if a stream's certificate is no longer its prober's. If monitors cannot be asked, the stream goes
// on until it can.
func (a *agents) isStill(ctx context.Context, c *agentCall) error {
	p, err := a.ownerOf(ctx, c.certificate, c.client.ip)
	switch {
	case err != nil && fault.Is(err, fault.KindUnauthenticated):
		return err
	case err != nil:
		return nil
	case p.Name != c.principal.Name || p.Region != c.principal.Region:
		return fault.Unauthenticated("the certificate belongs to another prober now")
	}
	return nil
}

var errCrowded = fault.Exhausted("too many calls in progress").After(time.Second)

// enter admits one more call of a prober. The returned function must be called when it is over.
func (a *agents) enter(id string) (leave func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open >= maxProberCalls || a.perProber[id] >= maxCallsOfProber {
		return nil, errCrowded
	}
	a.open++
	a.perProber[id]++
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.open--
		if a.perProber[id]--; a.perProber[id] == 0 {
			delete(a.perProber, id)
		}
	}, nil
}

// enterJoin admits one more of those that nobody knows yet.
func (a *agents) enterJoin() (leave func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.joins >= maxJoins {
		return nil, errCrowded
	}
	a.joins++
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.joins--
	}, nil
}

// conn is the connection that a method is passed on to.
func (a *agents) conn(m proberMethod) grpc.ClientConnInterface { return a.g.cfg.Conns[m.conn] }

// proberCache remembers whose certificates are, by their hash. The zero value is ready.
type proberCache struct {
	mu   sync.Mutex
	held map[[sha256.Size]byte]keptKey
}

func (c *proberCache) get(certificate []byte) (identity.Principal, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.held[sha256.Sum256(certificate)]
	return k.principal, ok && time.Now().Before(k.until)
}

// put keeps what was asked for at a moment: that is what it is no older than.
func (c *proberCache) put(certificate []byte, p identity.Principal, asked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) >= proberCacheSize || c.held == nil {
		c.held = map[[sha256.Size]byte]keptKey{}
	}
	c.held[sha256.Sum256(certificate)] = keptKey{p, asked.Add(proberCacheTTL)}
}
