package monitors_test

import (
	"crypto"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/mtls"
	"github.com/frogstats/uptime/services/monitors"
)

func TestCertificateIsRotated(t *testing.T) {
	e := newEnrolments(t)
	first, _ := e.joined("eu")
	if _, err := e.authenticate(first.GetCertificate()); err != nil {
		t.Fatal(err)
	}
	ctx := asProber(t.Context(), first.GetProberId(), "eu")
	rotate := func(key crypto.Signer) *monitorsv1.ProberCertificate {
		t.Helper()
		got, err := e.enrolment.RotateCertificate(ctx, &monitorsv1.RotateCertificateRequest{CertificateRequest: requestOf(t, key)})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	lost := rotate(newProberKey(t)) // the answer never arrives
	key := newProberKey(t)
	second := rotate(key)
	if again := rotate(key); string(again.GetCertificate()) != string(second.GetCertificate()) {
		t.Error("the same key got another certificate")
	}
	if _, err := e.authenticate(first.GetCertificate()); err != nil {
		t.Errorf("the old one before the new one was used: %v", err)
	}
	if who, err := e.authenticate(second.GetCertificate()); err != nil || who.GetProberId() != first.GetProberId() {
		t.Errorf("the new one: %v, %v", who, err)
	}
	for name, cert := range map[string]*monitorsv1.ProberCertificate{"the old one": first, "the lost one": lost} {
		_, err := e.authenticate(cert.GetCertificate())
		wantCode(t, name+" after the new one was used", err, codes.Unauthenticated)
	}
	_, err := e.enrolment.RotateCertificate(asProber(t.Context(), first.GetProberId(), "us"), &monitorsv1.RotateCertificateRequest{CertificateRequest: requestOf(t, key)})
	wantCode(t, "in the name of another region", err, codes.Unauthenticated)
}

func TestCertificatesThatAreRefused(t *testing.T) {
	e := newEnrolments(t)
	cert, key := e.joined("eu")
	stranger, err := mtls.NewAuthority("Frogstats Uptime probers", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	forged, err := stranger.Certify(key.Public(), cert.GetProberId(), nil, time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{"garbage": []byte("x"), "of another authority": forged, "the authority itself": cert.GetAuthority()} {
		_, err := e.authenticate(der)
		wantCode(t, name, err, codes.Unauthenticated)
	}
	s, err := monitors.New(monitors.Deps{Store: e.store, Log: slog.New(slog.DiscardHandler), Secrets: e.box, PageKey: []byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{cert.GetExpiresAt().AsTime().Add(time.Second), time.Now().Add(-time.Hour)} {
		if _, err := s.AuthenticateAt(t.Context(), cert.GetCertificate(), at); !fault.Is(err, fault.KindUnauthenticated) {
			t.Errorf("at %s: %v", at, err)
		}
	}
	if _, err := s.AuthenticateAt(t.Context(), cert.GetCertificate(), cert.GetExpiresAt().AsTime()); err != nil {
		t.Errorf("in its last second, by another replica: %v", err)
	}
}

// Replicas that start together have one authority.
func TestReplicasAgreeOnTheAuthority(t *testing.T) {
	e := newEnrolments(t)
	const replicas = 8
	var wg sync.WaitGroup
	certs := make([]*monitorsv1.ProberCertificate, replicas)
	for i := range replicas {
		token := e.enrol(&monitorsv1.EnrolProberRequest{Region: "eu"}).GetToken()
		csr := requestOf(t, newProberKey(t))
		s, err := monitors.New(monitors.Deps{Store: e.store, Log: slog.New(slog.DiscardHandler), Secrets: e.box, PageKey: []byte{1}})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			var err error
			if certs[i], err = s.JoinProber(t.Context(), &monitorsv1.JoinProberRequest{Token: token, CertificateRequest: csr}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, c := range certs {
		if string(c.GetAuthority()) != string(certs[0].GetAuthority()) {
			t.Fatal("two authorities")
		}
		if _, err := e.authenticate(c.GetCertificate()); err != nil {
			t.Error(err)
		}
	}
}
