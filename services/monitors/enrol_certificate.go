package monitors

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/mtls"
	"github.com/frogstats/uptime/internal/secret"
)

const (
	// defaultCertificateValid is long enough for a prober that was off for two weeks to come back by itself.
	defaultCertificateValid = 30 * 24 * time.Hour
	// authorityValid is longer than anybody wants to think of; certificates never outlive it.
	authorityValid = 20 * 365 * 24 * time.Hour
	authorityName  = "Frogstats Uptime probers"

	rotateEvery = 10 * time.Second // per prober
	rotateBurst = 10
)

// certificateRequest is what a prober asks to be certified.
type certificateRequest struct {
	key     any
	keyHash []byte // SHA-256
}

// readRequest reads a PKCS #10 request in DER. That it is signed by the key that it names shows that the prober holds it.
func readRequest(der []byte) (certificateRequest, error) {
	refuse := func(message string, cause error) (certificateRequest, error) {
		return certificateRequest{}, fault.Invalid("", fault.Field{Name: "certificate_request", Message: message}).Wrap(cause)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return refuse("must be a PKCS #10 request in DER", err)
	}
	switch key := csr.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return refuse("must be of an ECDSA key on P-256, or of an Ed25519 key", nil)
		}
	case ed25519.PublicKey:
	default:
		return refuse("must be of an ECDSA key on P-256, or of an Ed25519 key", nil)
	}
	if err := csr.CheckSignature(); err != nil {
		return refuse("must be signed by the key that it names", err)
	}
	hash := sha256.Sum256(csr.RawSubjectPublicKeyInfo)
	return certificateRequest{csr.PublicKey, hash[:]}, nil
}

// authorities holds the installation's authority once it was read.
type authorities struct {
	mu   sync.Mutex
	held *mtls.Authority
}

// issuer returns the authority that signs probers' certificates, made at the first need. All replicas have the same.
func (s *Service) issuer(ctx context.Context) (*mtls.Authority, error) {
	s.authority.mu.Lock()
	defer s.authority.mu.Unlock()
	if s.authority.held != nil {
		return s.authority.held, nil
	}
	kept, found, err := s.store.Authority(ctx)
	if err != nil {
		return nil, err
	}
	if !found {
		made, err := s.newAuthority()
		if err != nil {
			return nil, err
		}
		if kept, err = s.store.KeepAuthority(ctx, made); err != nil {
			return nil, err
		}
	}
	key, err := s.box.Open(kept.SealedKey, authorityPlace)
	if err != nil {
		return nil, fmt.Errorf("open the key of the probers' authority: %w", err)
	}
	a, err := mtls.ReadAuthority(mtls.Pair{Cert: kept.Certificate, Key: key})
	if err != nil {
		return nil, err
	}
	s.authority.held = a
	return a, nil
}

// authorityPlace is where the key is sealed for.
var authorityPlace = secret.AAD("monitors", "probers' authority")

func (s *Service) newAuthority() (Authority, error) {
	at := now()
	a, err := mtls.NewAuthority(authorityName, at.Add(authorityValid))
	if err != nil {
		return Authority{}, err
	}
	pair, err := a.PEM()
	if err != nil {
		return Authority{}, err
	}
	sealed, err := s.box.Seal(pair.Key, authorityPlace)
	if err != nil {
		return Authority{}, err
	}
	return Authority{Certificate: pair.Cert, SealedKey: sealed, MadeAt: at}, nil
}

// issue certifies a key as a prober's. The region stands in the certificate for people; what counts is the store's.
func (s *Service) issue(issuer *mtls.Authority, asked certificateRequest, proberID, region string, at time.Time) (Certificate, error) {
	until := at.Add(s.certificateValid)
	if last := issuer.NotAfter(); until.After(last) {
		until = last
	}
	uri := &url.URL{Scheme: "frogup", Host: "prober", Path: "/" + region + "/" + proberID}
	der, err := issuer.Certify(asked.key, proberID, []*url.URL{uri}, at, until)
	if err != nil {
		return Certificate{}, err
	}
	return Certificate{
		Fingerprint: fingerprint(der), ProberID: proberID, Region: region, KeyHash: asked.keyHash, DER: der,
		IssuedAt: at, ExpiresAt: until.Truncate(time.Second), // as it stands in the certificate
	}, nil
}

func fingerprint(der []byte) []byte {
	h := sha256.Sum256(der)
	return h[:]
}

func certificateToProto(c Certificate, issuer *mtls.Authority) *monitorsv1.ProberCertificate {
	return &monitorsv1.ProberCertificate{
		ProberId: c.ProberID, Region: c.Region, Certificate: c.DER, Authority: issuer.Certificate().Raw, ExpiresAt: timestamppb.New(c.ExpiresAt),
	}
}

// RotateCertificate gives a prober a certificate for a new key. The one before stays good until the new one was used for the
// first time, so that an answer that is lost on its way locks nobody out.
func (s *Service) RotateCertificate(ctx context.Context, req *monitorsv1.RotateCertificateRequest) (*monitorsv1.ProberCertificate, error) {
	caller, _ := identity.FromContext(ctx)
	if caller.Kind != identity.KindProber {
		return nil, fault.Denied("only a prober that has joined has a certificate")
	}
	if err := s.rotations.take(caller.Name); err != nil {
		var limit *fault.Error
		errors.As(err, &limit)
		return nil, fault.Exhausted("too many certificates; wait a moment").After(limit.RetryAfter)
	}
	asked, err := readRequest(req.GetCertificateRequest())
	if err != nil {
		return nil, err
	}
	issuer, err := s.issuer(ctx)
	if err != nil {
		return nil, err
	}
	at := now()
	var cert Certificate
	err = s.store.ChangeEnrolments(ctx, func(tx EnrolmentTx) error {
		e, found, err := tx.Enrolment(ctx, caller.Name)
		if err != nil {
			return err
		}
		if !found || e.JoinedAt.IsZero() || !e.RemovedAt.IsZero() || e.Region != caller.Region {
			return errNotProber
		}
		if cert, found, err = tx.CertificateFor(ctx, e.ProberID, asked.keyHash); err != nil || found { // asked again
			return err
		}
		if cert, err = s.issue(issuer, asked, e.ProberID, e.Region, at); err != nil {
			return err
		}
		return tx.AddCertificate(ctx, cert)
	})
	if err != nil {
		return nil, err
	}
	s.log.InfoContext(ctx, "certificate issued to a prober", "prober_id", cert.ProberID, "region", cert.Region, "until", cert.ExpiresAt)
	return certificateToProto(cert, issuer), nil
}

// errNotProber is all that the holder of a certificate learns: removed, expired and never known are one.
var errNotProber = fault.Unauthenticated("this prober's certificate is not valid: the prober was removed, or the certificate has expired; " +
	"it needs a new enrolment token").Because("PROBER_REMOVED")

// AuthenticateProber says which prober a certificate belongs to.
func (s *Service) AuthenticateProber(ctx context.Context, req *monitorsv1.AuthenticateProberRequest) (*monitorsv1.AuthenticateProberResponse, error) {
	return s.authenticate(ctx, req.GetCertificate(), time.Now())
}

func (s *Service) authenticate(ctx context.Context, der []byte, at time.Time) (*monitorsv1.AuthenticateProberResponse, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errNotProber.Wrap(err)
	}
	issuer, err := s.issuer(ctx)
	if err != nil {
		return nil, err
	}
	if !issuer.Issued(cert, at) {
		return nil, errNotProber
	}
	known, err := s.store.Certificate(ctx, fingerprint(cert.Raw))
	if errors.Is(err, ErrNoCertificate) || err == nil && (!known.RevokedAt.IsZero() || known.ProberID != cert.Subject.CommonName) {
		return nil, errNotProber
	}
	if err != nil {
		return nil, err
	}
	if known.UsedAt.IsZero() {
		if err := s.store.UseCertificate(ctx, known.Fingerprint, now()); err != nil {
			return nil, err
		}
	}
	return &monitorsv1.AuthenticateProberResponse{ProberId: known.ProberID, Region: known.Region}, nil
}

// showEnrolled adds to a list of probers what is known of those that joined; those of which no stream ever came are added.
func (s *Service) showEnrolled(ctx context.Context, probers []*monitorsv1.Prober) ([]*monitorsv1.Prober, error) {
	all, err := s.store.Enrolled(ctx)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*monitorsv1.Prober, len(probers))
	for _, p := range probers {
		byID[p.GetId()] = p
	}
	for _, e := range all {
		p := byID[e.ProberID]
		if p == nil {
			p = &monitorsv1.Prober{
				Id: e.ProberID, Region: e.Region, Version: e.Version, Health: monitorsv1.ProberHealth_PROBER_HEALTH_OFFLINE,
				LastSeenAt: timestamppb.New(e.JoinedAt),
			}
			probers = append(probers, p)
		}
		p.Enrolled = true
		if !e.ExpiresAt.IsZero() {
			p.CertificateExpiresAt = timestamppb.New(e.ExpiresAt)
		}
		if !e.RemovedAt.IsZero() {
			p.Health, p.Connected = monitorsv1.ProberHealth_PROBER_HEALTH_REMOVED, false
		}
	}
	slices.SortFunc(probers, func(a, b *monitorsv1.Prober) int {
		return cmp.Or(strings.Compare(a.GetRegion(), b.GetRegion()), strings.Compare(a.GetId(), b.GetId()))
	})
	return probers, nil
}
