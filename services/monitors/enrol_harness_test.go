package monitors_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/monitors"
)

// enrolments is a house with what enrolling needs.
type enrolments struct {
	*house
	enrolment monitorsv1.EnrolmentServiceClient
}

func newEnrolments(t *testing.T, change ...func(*monitors.Deps)) enrolments {
	t.Helper()
	h := newHouse(t, append([]func(*monitors.Deps){func(d *monitors.Deps) { d.PublicURL = "https://uptime.example.com/" }}, change...)...)
	return enrolments{h, monitorsv1.NewEnrolmentServiceClient(h.conn)}
}

func (e enrolments) admin() context.Context { return as(e.t, org, identity.RoleAdmin) }

// enrol asks for a token.
func (e enrolments) enrol(req *monitorsv1.EnrolProberRequest) *monitorsv1.ProberEnrolment {
	e.t.Helper()
	got, err := e.monitors.EnrolProber(e.admin(), req)
	if err != nil {
		e.t.Fatalf("enrol: %v", err)
	}
	return got
}

func newProberKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func requestOf(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (e enrolments) join(token string, key crypto.Signer) (*monitorsv1.ProberCertificate, error) {
	return e.enrolment.JoinProber(rpctest.Anonymous(e.t.Context()), &monitorsv1.JoinProberRequest{
		Token: token, CertificateRequest: requestOf(e.t, key), Version: "1.2.3",
	})
}

// joined enrols and joins.
func (e enrolments) joined(region string) (*monitorsv1.ProberCertificate, *ecdsa.PrivateKey) {
	e.t.Helper()
	key := newProberKey(e.t)
	cert, err := e.join(e.enrol(&monitorsv1.EnrolProberRequest{Region: region}).GetToken(), key)
	if err != nil {
		e.t.Fatalf("join: %v", err)
	}
	return cert, key
}

func (e enrolments) authenticate(der []byte) (*monitorsv1.AuthenticateProberResponse, error) {
	return e.enrolment.AuthenticateProber(rpctest.AsService(e.t.Context()), &monitorsv1.AuthenticateProberRequest{Certificate: der})
}

func asProber(ctx context.Context, id, region string) context.Context {
	return identity.NewContext(ctx, identity.Principal{Kind: identity.KindProber, Name: id, Region: region})
}

func wantReason(t *testing.T, what string, err error, code codes.Code, reason string) {
	t.Helper()
	wantCode(t, what, err, code)
	if f := fault.FromStatus(status.Convert(err)); f != nil && f.Reason != reason {
		t.Errorf("%s: reason %q, want %q", what, f.Reason, reason)
	}
}

// change changes what is stored of an enrolment.
func change(t *testing.T, e enrolments, id string, fn func(*monitors.Enrolment)) {
	t.Helper()
	err := e.store.ChangeEnrolments(t.Context(), func(tx monitors.EnrolmentTx) error {
		x, found, err := tx.Enrolment(t.Context(), id)
		if err != nil || !found {
			return fmt.Errorf("enrolment %s: %v, %w", id, found, err)
		}
		fn(&x)
		return tx.PutEnrolment(t.Context(), x)
	})
	if err != nil {
		t.Fatal(err)
	}
}
