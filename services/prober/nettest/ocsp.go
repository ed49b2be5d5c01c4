package nettest

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	// maxOCSPAge is how old a response without a next update may be (CA/Browser
	// Forum, Baseline Requirements, section 4.9.10).
	maxOCSPAge = 10 * 24 * time.Hour
	// clockSkew is how far in the future a responder's clock may be.
	clockSkew = 5 * time.Minute
)

// What a Certificate says about OCSP.
const (
	ocspGood    = "good"
	ocspRevoked = "revoked"
	ocspUnknown = "unknown"

	ocspStapled   = "stapled"
	ocspResponder = "responder"
)

var (
	// errRevoked is why a certificate is refused that its authority has revoked.
	errRevoked = errors.New("revoked")
	// oidTLSFeature marks a certificate whose server must staple (RFC 7633).
	oidTLSFeature = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}
)

// ocspAnswer is what a valid and fresh OCSP response says.
type ocspAnswer struct {
	status    string
	reason    string // of a revocation, in words
	revokedAt time.Time
	until     time.Time // the next update; zero if not said
}

// parseOCSP reads a response for leaf and checks its signature, its signer and
// its time. golang.org/x/crypto/ocsp checks that the issuer signed a delegated
// signer, but not that it was made one: without that, who has any certificate of
// the same authority could clear his own.
func parseOCSP(raw []byte, leaf, issuer *x509.Certificate, now time.Time) (ocspAnswer, error) {
	r, err := ocsp.ParseResponseForCert(raw, leaf, issuer)
	if err != nil {
		return ocspAnswer{}, fmt.Errorf("parse: %w", err)
	}
	if c := r.Certificate; c != nil && !c.Equal(issuer) {
		switch {
		case !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
			return ocspAnswer{}, errors.New("its signer is not allowed to sign it")
		case now.Before(c.NotBefore) || now.After(c.NotAfter):
			return ocspAnswer{}, errors.New("the certificate of its signer is out of its time")
		}
	}
	switch {
	case r.ThisUpdate.After(now.Add(clockSkew)):
		return ocspAnswer{}, fmt.Errorf("it is not valid before %s", r.ThisUpdate.UTC().Format(time.RFC3339))
	case !r.NextUpdate.IsZero() && now.After(r.NextUpdate):
		return ocspAnswer{}, fmt.Errorf("it expired on %s", r.NextUpdate.UTC().Format(time.RFC3339))
	case r.NextUpdate.IsZero() && now.Sub(r.ThisUpdate) > maxOCSPAge:
		return ocspAnswer{}, fmt.Errorf("it is of %s, which is too old", r.ThisUpdate.UTC().Format(time.RFC3339))
	}
	a := ocspAnswer{until: r.NextUpdate}
	switch r.Status {
	case ocsp.Good:
		a.status = ocspGood
	case ocsp.Revoked:
		a.status, a.reason, a.revokedAt = ocspRevoked, revocationReason(r.RevocationReason), r.RevokedAt
	default:
		a.status = ocspUnknown
	}
	return a, nil
}

// revocationReason says in words what RFC 5280, section 5.3.1, has a number for.
func revocationReason(code int) string {
	switch code {
	case ocsp.KeyCompromise:
		return "its key was compromised"
	case ocsp.CACompromise, ocsp.AACompromise:
		return "its authority was compromised"
	case ocsp.AffiliationChanged:
		return "its owner's affiliation changed"
	case ocsp.Superseded:
		return "it was superseded"
	case ocsp.CessationOfOperation:
		return "it is no longer needed"
	case ocsp.CertificateHold:
		return "it is on hold"
	case ocsp.PrivilegeWithdrawn:
		return "a privilege in it was withdrawn"
	default:
		return "no reason was given"
	}
}

// noteOCSP records an answer and where it came from.
func (i *inspection) noteOCSP(a ocspAnswer, source string) {
	i.shown.OCSPStatus, i.shown.OCSPSource = a.status, source
	switch a.status {
	case ocspRevoked:
		i.problem(errRevoked, "The certificate was revoked on %s: %s", a.revokedAt.UTC().Format("2006-01-02 15:04:05 UTC"), a.reason)
		i.shown.Valid = false
	case ocspUnknown:
		i.problem(nil, "The authority's OCSP responder does not know the certificate")
	}
}

// readStaple looks at what the server stapled. What cannot be used is a problem
// of the server, but says nothing about the certificate.
func (i *inspection) readStaple(raw []byte, leaf *x509.Certificate, now time.Time) {
	switch {
	case len(raw) == 0:
		if mustStaple(leaf) {
			i.problem(nil, "The certificate demands a stapled OCSP response, but the server sends none")
		}
	case i.issuer == nil: // nobody to check the signature with; the chain is a problem already
	default:
		a, err := parseOCSP(raw, leaf, i.issuer, now)
		if err != nil {
			i.problem(nil, "The stapled OCSP response cannot be used: %s", printable(err.Error(), 200))
			return
		}
		i.noteOCSP(a, ocspStapled)
	}
}

// mustStaple reports whether a certificate has the TLS feature status_request.
func mustStaple(leaf *x509.Certificate) bool {
	for _, e := range leaf.Extensions {
		if !e.Id.Equal(oidTLSFeature) {
			continue
		}
		var features []int
		rest, err := asn1.Unmarshal(e.Value, &features)
		return err == nil && len(rest) == 0 && slices.Contains(features, 5)
	}
	return false
}
