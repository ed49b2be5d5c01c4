package gateway_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/callsig"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/gateway"
)

// What a service sees of a call is what the edge found out, and nothing that the caller claims of itself.
func TestProberCallsInItsOwnName(t *testing.T) {
	o := newOutpost(t)
	var who identity.Principal
	var md metadata.MD
	o.renew = func(ctx context.Context, req *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
		who, _ = identity.FromContext(ctx)
		md, _ = metadata.FromIncomingContext(ctx)
		return &monitorsv1.RenewLeaseResponse{Lease: &monitorsv1.Lease{Epoch: 7}}, nil
	}
	forged := rpctest.Signer(t).Sign(identity.Principal{Kind: identity.KindService, Name: "events"})
	var trailer metadata.MD
	got, err := o.assignments.RenewLease(o.calling(t, renewMethod, identity.MetadataKey, forged, "x-anything", "else", "x-forwarded-for", "6.6.6.6",
		"x-request-id", "mine"), renewal(), grpc.Trailer(&trailer))
	if err != nil || got.GetLease().GetEpoch() != 7 {
		t.Fatalf("answer %v, %v", got, err)
	}
	if who != aProber {
		t.Errorf("called by %+v, want %+v", who, aProber)
	}
	for key, want := range map[string]string{"x-anything": "", "x-forwarded-for": "127.0.0.1", "x-request-id": "mine", callsig.CertificateKey: "", callsig.SignatureKey: ""} {
		if got := strings.Join(md.Get(key), ","); got != want {
			t.Errorf("%s reached the service as %q, want %q", key, got, want)
		}
	}
	if got := trailer.Get("x-request-id"); len(got) != 1 || got[0] != "mine" {
		t.Errorf("trailer %v", trailer)
	}
}

func TestOnlyAFewMethodsPass(t *testing.T) {
	o := newOutpost(t)
	for _, method := range []string{
		monitorsv1.MonitorsService_ListMonitors_FullMethodName, monitorsv1.CatalogService_WatchCatalog_FullMethodName,
		monitorsv1.EnrolmentService_AuthenticateProber_FullMethodName, eventsv1.FeedService_Subscribe_FullMethodName,
		healthv1.Health_Check_FullMethodName, "/no.such.Service/Method", "/nonsense",
	} {
		err := o.conn.Invoke(o.calling(t, method), method, &emptypb.Empty{}, &emptypb.Empty{})
		wantReason(t, method, err, codes.PermissionDenied, "METHOD_NOT_PASSED")
	}
	if o.asked != 0 {
		t.Errorf("%d certificates were asked for", o.asked)
	}
}

func TestCallsOfStrangers(t *testing.T) {
	o := newOutpost(t)
	o.renew = func(context.Context, *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
		return &monitorsv1.RenewLeaseResponse{}, nil
	}
	const host = "uptime.example.com"
	now := time.Now()
	good := o.prober.sign(t, renewMethod, host, now)
	half := good.Copy()
	half.Delete(callsig.SignatureKey)
	garbage := good.Copy()
	garbage.Set(callsig.SignatureKey, "v1 garbage")
	borrowed := newProber(t).sign(t, renewMethod, host, now)
	borrowed.Set(callsig.CertificateKey, good.Get(callsig.CertificateKey)...)
	for _, tt := range []struct {
		name, reason string
		md           metadata.MD
	}{
		{"nothing", "NOT_SIGNED", nil},
		{"a certificate alone", "NOT_SIGNED", half},
		{"garbage", "NOT_SIGNED", garbage},
		{"a signature for another method", "BAD_SIGNATURE", o.prober.sign(t, watchMethod, host, now)},
		{"somebody else's certificate", "BAD_SIGNATURE", borrowed},
		{"a signature for another host", "HOST_MISMATCH", o.prober.sign(t, renewMethod, "other.example.com", now)},
		{"a clock that is ahead", "CLOCK_SKEW", o.prober.sign(t, renewMethod, host, now.Add(6*time.Minute))},
		{"a clock that is behind", "CLOCK_SKEW", o.prober.sign(t, renewMethod, host, now.Add(-6*time.Minute))},
		{"a certificate of nobody", "PROBER_REMOVED", newProber(t).sign(t, renewMethod, host, now)},
	} {
		var trailer metadata.MD
		_, err := o.assignments.RenewLease(metadata.NewOutgoingContext(t.Context(), tt.md), renewal(), grpc.Trailer(&trailer))
		wantReason(t, tt.name, err, codes.Unauthenticated, tt.reason)
		if told := len(trailer.Get(callsig.TimeKey)) == 1; told != (tt.reason == "CLOCK_SKEW") {
			t.Errorf("%s: trailer %v", tt.name, trailer)
		}
	}
	for i, want := range []codes.Code{codes.OK, codes.Unauthenticated} {
		_, err := o.assignments.RenewLease(metadata.NewOutgoingContext(t.Context(), good), renewal())
		if status.Code(err) != want {
			t.Errorf("time %d of one signature: %v, want %v", i+1, err, want)
		}
	}
}

// A proxy that does not pass the Host header on is told of; with the public URL known it does not matter.
func TestPublicHost(t *testing.T) {
	o := newOutpost(t, func(c *gateway.Config) { c.PublicHost = "public.example.com" })
	o.renew = func(context.Context, *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
		return &monitorsv1.RenewLeaseResponse{}, nil
	}
	ctx := metadata.NewOutgoingContext(t.Context(), o.prober.sign(t, renewMethod, "public.example.com", time.Now()))
	if _, err := o.assignments.RenewLease(ctx, renewal()); err != nil {
		t.Error(err)
	}
}

func TestJoinNeedsNoCertificate(t *testing.T) {
	o := newOutpost(t)
	var who identity.Principal
	var from []string
	o.join = func(ctx context.Context, req *monitorsv1.JoinProberRequest) (*monitorsv1.ProberCertificate, error) {
		who, _ = identity.FromContext(ctx)
		from = metadata.ValueFromIncomingContext(ctx, "x-forwarded-for")
		if req.GetToken() != "good" {
			return nil, fault.Unauthenticated("the token is not known").Because("TOKEN_UNKNOWN")
		}
		return &monitorsv1.ProberCertificate{ProberId: "p9"}, nil
	}
	client := monitorsv1.NewEnrolmentServiceClient(o.conn)
	forged := rpctest.Signer(t).Sign(identity.Principal{Kind: identity.KindService, Name: "events"})
	ctx := metadata.AppendToOutgoingContext(t.Context(), identity.MetadataKey, forged)
	got, err := client.JoinProber(ctx, &monitorsv1.JoinProberRequest{Token: "good", CertificateRequest: []byte{1}})
	if err != nil || got.GetProberId() != "p9" || who != identity.Anonymous || strings.Join(from, ",") != "127.0.0.1" {
		t.Errorf("%v, %v, by %+v from %v", got, err, who, from)
	}
	_, err = client.JoinProber(t.Context(), &monitorsv1.JoinProberRequest{Token: "bad", CertificateRequest: []byte{1}})
	wantReason(t, "bad token", err, codes.Unauthenticated, "TOKEN_UNKNOWN")
	_, err = client.JoinProber(t.Context(), &monitorsv1.JoinProberRequest{Token: "good", CertificateRequest: make([]byte, gateway.MaxJoinMessage)})
	wantReason(t, "too large", err, codes.ResourceExhausted, "MESSAGE_TOO_LARGE")
}

func TestBadFrames(t *testing.T) {
	o := newOutpost(t)
	o.join = func(context.Context, *monitorsv1.JoinProberRequest) (*monitorsv1.ProberCertificate, error) {
		return &monitorsv1.ProberCertificate{}, nil
	}
	client := &http.Client{Transport: &http.Transport{Protocols: unencryptedHTTP2()}}
	defer client.CloseIdleConnections()
	post := func(body string, headers ...string) http.Header {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.srv.URL+monitorsv1.EnrolmentService_JoinProber_FullMethodName, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/grpc+proto")
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		for k, v := range resp.Trailer {
			resp.Header[k] = v
		}
		return resp.Header
	}
	for name, tt := range map[string]struct {
		body    string
		headers []string
		want    codes.Code
	}{
		"compressed":           {"\x01\x00\x00\x00\x00", nil, codes.InvalidArgument},
		"a codec":              {"\x00\x00\x00\x00\x00", []string{"Grpc-Encoding", "gzip"}, codes.InvalidArgument},
		"announced too large":  {"\x00\xff\xff\xff\xff", nil, codes.ResourceExhausted},
		"half of a head":       {"\x00\x00", nil, codes.Canceled},
		"half of a message":    {"\x00\x00\x00\x00\x05ab", nil, codes.Canceled},
		"no message":           {"", nil, codes.Internal},
		"against the schema":   {"\x00\x00\x00\x00\x00", nil, codes.InvalidArgument},
		"identity is no codec": {"\x00\x00\x00\x00\x00", []string{"Grpc-Encoding", "identity"}, codes.InvalidArgument},
	} {
		if got := post(tt.body, tt.headers...).Get("Grpc-Status"); got != fmt.Sprint(int(tt.want)) {
			t.Errorf("%s: status %s, want %d", name, got, tt.want)
		}
	}
}

func unencryptedHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// REST is there beside gRPC, over HTTP/2 as well.
func TestRESTOverHTTP2(t *testing.T) {
	o := newOutpost(t)
	client := &http.Client{Transport: &http.Transport{Protocols: unencryptedHTTP2()}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(o.srv.URL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("%s over %s", resp.Status, resp.Proto)
	}
}

func TestCallsOverTLS(t *testing.T) {
	o := newOutpost(t)
	o.renew = func(context.Context, *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
		return &monitorsv1.RenewLeaseResponse{}, nil
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = o.g.Server()
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	conn, err := grpc.NewClient("passthrough:///"+srv.Listener.Addr().String(), grpc.WithAuthority("example.com"),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "example.com"})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := metadata.NewOutgoingContext(t.Context(), o.prober.sign(t, renewMethod, "example.com", time.Now()))
	if _, err := monitorsv1.NewAssignmentsServiceClient(conn).RenewLease(ctx, renewal()); err != nil {
		t.Error(err)
	}
}

func TestTimeoutOf(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "4m": 4 * time.Millisecond, "5u": 5 * time.Microsecond, "6n": 6,
		"99999999H": 2562047 * time.Hour, "0S": 0, "": -1, "S": -1, "1": -1, "1x": -1, "-1S": -1, "123456789S": -1, "1.5S": -1,
	} {
		r := &http.Request{Header: http.Header{"Grpc-Timeout": {text}}}
		got, ok := gateway.TimeoutOf(r)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q is %s, %v; want %s", text, got, ok, want)
		}
	}
}
