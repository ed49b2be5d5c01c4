package gateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	accessv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/access/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/callsig"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/gateway"
)

// centre is what remote probers call, behind a gateway.
type centre struct {
	monitorsv1.UnimplementedEnrolmentServiceServer
	monitorsv1.UnimplementedAssignmentsServiceServer
	monitorsv1.UnimplementedMonitorsServiceServer
	eventsv1.UnimplementedRecorderServiceServer
	eventsv1.UnimplementedFeedServiceServer

	watch  func(*monitorsv1.WatchAssignmentsRequest, monitorsv1.AssignmentsService_WatchAssignmentsServer) error
	renew  func(context.Context, *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error)
	record func(eventsv1.RecorderService_RecordServer) error
	join   func(context.Context, *monitorsv1.JoinProberRequest) (*monitorsv1.ProberCertificate, error)

	mu     sync.Mutex
	owners map[string]string // ids by certificate
	away   bool              // monitors cannot be asked
	asked  int
}

func (c *centre) AuthenticateProber(_ context.Context, req *monitorsv1.AuthenticateProberRequest) (*monitorsv1.AuthenticateProberResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if c.away {
		return nil, fault.Unavailable("away")
	}
	id, ok := c.owners[string(req.GetCertificate())]
	if !ok {
		return nil, fault.Unauthenticated("not known").Because("PROBER_REMOVED")
	}
	return &monitorsv1.AuthenticateProberResponse{ProberId: id, Region: "eu"}, nil
}

func (c *centre) JoinProber(ctx context.Context, req *monitorsv1.JoinProberRequest) (*monitorsv1.ProberCertificate, error) {
	return c.join(ctx, req)
}

func (c *centre) WatchAssignments(req *monitorsv1.WatchAssignmentsRequest, s monitorsv1.AssignmentsService_WatchAssignmentsServer) error {
	return c.watch(req, s)
}

func (c *centre) RenewLease(ctx context.Context, req *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
	return c.renew(ctx, req)
}

func (c *centre) Record(s eventsv1.RecorderService_RecordServer) error { return c.record(s) }

func (c *centre) ListLastSlots(context.Context, *eventsv1.ListLastSlotsRequest) (*eventsv1.ListLastSlotsResponse, error) {
	return &eventsv1.ListLastSlotsResponse{}, nil
}

func (c *centre) set(change func(*centre)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// outpost is a centre behind a gateway, a prober that joined, and its plain connection.
type outpost struct {
	*edge
	*centre
	prober *prober
	conn   *grpc.ClientConn
	inside map[string]*grpc.ClientConn // past the gateway

	assignments monitorsv1.AssignmentsServiceClient
	recorder    eventsv1.RecorderServiceClient
}

const largeMessages = 16 << 20

func newOutpost(t testing.TB, change ...func(*gateway.Config)) *outpost {
	t.Helper()
	c := &centre{owners: map[string]string{}}
	opts := []rpctest.Option{
		rpctest.Policy(rpc.PolicyByOption(accessv1.E_Access)),
		rpctest.Server(func(c *rpc.Config) { c.MaxRecvBytes = largeMessages }),
		rpctest.Client(func(c *rpc.ClientConfig) { c.MaxRecvBytes = largeMessages }),
	}
	monitors := rpctest.Conn(t, "monitors", func(r grpc.ServiceRegistrar) {
		monitorsv1.RegisterEnrolmentServiceServer(r, c)
		monitorsv1.RegisterAssignmentsServiceServer(r, c)
		monitorsv1.RegisterMonitorsServiceServer(r, c)
	}, opts...)
	events := rpctest.Conn(t, "events", func(r grpc.ServiceRegistrar) {
		eventsv1.RegisterRecorderServiceServer(r, c)
		eventsv1.RegisterFeedServiceServer(r, c)
	}, opts...)
	e := start(t, append([]func(*gateway.Config){func(cfg *gateway.Config) {
		cfg.Conns["monitors"], cfg.Conns["events"] = monitors, events
	}}, change...)...)
	o := &outpost{edge: e, centre: c, prober: newProber(t), inside: map[string]*grpc.ClientConn{"monitors": monitors, "events": events}}
	c.owners[string(o.prober.der)] = "p1"
	o.connect(t, e.srv)
	return o
}

func (o *outpost) connect(t testing.TB, srv *httptest.Server) {
	t.Helper()
	var err error
	address := srv.Listener.Addr().String()
	o.conn, err = grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority("uptime.example.com"), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largeMessages)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.conn.Close() })
	o.assignments, o.recorder = monitorsv1.NewAssignmentsServiceClient(o.conn), eventsv1.NewRecorderServiceClient(o.conn)
}

// prober is a key with a certificate.
type prober struct {
	key *ecdsa.PrivateKey
	der []byte
}

func newProber(t testing.TB) *prober {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "p1"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &prober{key, der}
}

// sign returns the metadata of a call.
func (p *prober) sign(t testing.TB, method, host string, at time.Time) metadata.MD {
	t.Helper()
	cert, signature, err := callsig.Sign(p.key, p.der, method, host, at)
	if err != nil {
		t.Fatal(err)
	}
	return metadata.Pairs(callsig.CertificateKey, cert, callsig.SignatureKey, signature)
}

// calling is a context for one call of a method.
func (o *outpost) calling(t testing.TB, method string, pairs ...string) context.Context {
	t.Helper()
	md := metadata.Join(o.prober.sign(t, method, "uptime.example.com", time.Now()), metadata.Pairs(pairs...))
	return metadata.NewOutgoingContext(t.Context(), md)
}

const (
	watchMethod  = monitorsv1.AssignmentsService_WatchAssignments_FullMethodName
	renewMethod  = monitorsv1.AssignmentsService_RenewLease_FullMethodName
	recordMethod = eventsv1.RecorderService_Record_FullMethodName
)

func wantReason(t *testing.T, what string, err error, code codes.Code, reason string) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("%s: got %v, want %v", what, err, code)
		return
	}
	if got := fault.FromStatus(status.Convert(err)).Reason; got != reason {
		t.Errorf("%s: reason %q, want %q", what, got, reason)
	}
}

var aProber = identity.Principal{Kind: identity.KindProber, Name: "p1", Region: "eu", RemoteIP: "127.0.0.1"}

func renewal() *monitorsv1.RenewLeaseRequest {
	return &monitorsv1.RenewLeaseRequest{ProberId: "p1", Session: strings.Repeat("s", 26)}
}
