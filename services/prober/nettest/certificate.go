package nettest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// minRSA and minECDSA are the bits below which a key is called weak (CA/Browser
	// Forum, Baseline Requirements, section 6.1.5).
	minRSA   = 2048
	minECDSA = 256
	// maxSensibleChain is longer than any chain that is meant well.
	maxSensibleChain = 16
)

// inspection is what became of looking at a peer's certificates.
type inspection struct {
	shown Certificate
	// best is the verified chain that lasts longest; nil if there is none.
	best []*x509.Certificate
	// issuer is the certificate that signed the leaf; nil if it is not known.
	issuer *x509.Certificate
	// refused is why the certificate is not valid; nil if it is.
	refused *certificateError
}

// certificateError is why a certificate was refused.
type certificateError struct {
	problem string // the sentence, which is in Certificate.Problems too
	err     error  // of crypto/x509; nil if the reason is revocation
	system  bool   // it was the system's trust that decided
}

func (e *certificateError) Error() string { return e.problem }
func (e *certificateError) Unwrap() error { return e.err }

// problem notes what is wrong; the first reason to refuse is the one reported.
func (i *inspection) problem(err error, format string, args ...any) {
	sentence := fmt.Sprintf(format, args...)
	if !slices.Contains(i.shown.Problems, sentence) {
		i.shown.Problems = append(i.shown.Problems, sentence)
	}
	if err != nil && i.refused == nil {
		i.refused = &certificateError{problem: sentence, err: err}
	}
}

// inspect says what chain shows, which was sent by a peer that was asked for
// name. Every problem is looked for, not only the first.
func inspect(memory *chainMemory, chain []*x509.Certificate, name string, roots *x509.CertPool, now time.Time) *inspection {
	key := chainKeyOf(chain, roots)
	i := memory.recall(key, now)
	if i == nil {
		i = judgeChain(chain, roots, now)
		memory.keep(key, i, chain)
	}
	leaf := chain[0]
	err := leaf.VerifyHostname(name)
	i.shown.NameMatches = err == nil
	if err != nil {
		i.problem(err, "The certificate is for %s, not for %s", namesInWords(leaf), printable(name, 253))
	}
	i.shown.Valid = i.refused == nil
	if i.refused != nil {
		i.refused.system = roots == nil
	}
	return i
}

// judgeChain looks at everything that does not depend on the name.
func judgeChain(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) *inspection {
	i := &inspection{shown: factsOf(chain[0])}
	i.shown.ChainLength = len(chain)
	i.checkTime("The certificate", chain[0], now)
	verified, err := verifyAt(chain, roots, now)
	if err == nil {
		i.shown.Trusted = true
	} else if verified, err = verifyAnytime(chain, roots, err); err == nil {
		i.shown.Trusted = i.checkAuthorities(verified, now)
	} else {
		i.distrust(chain, err)
	}
	if len(verified) > 0 {
		i.best = lastingLongest(verified)
		i.shown.ChainExpiresAt = endOf(i.best).UTC()
		i.issuer = i.best[min(1, len(i.best)-1)]
	} else {
		i.issuer = issuerOf(chain)
	}
	i.checkStrength(chain)
	return i
}

func verifyAt(chain []*x509.Certificate, roots *x509.CertPool, t time.Time) ([][]*x509.Certificate, error) {
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	return chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: t})
}

// verifyAnytime looks for a moment at which the chain was or will be right:
// crypto/x509 says of a chain that has expired above the leaf only that its
// authority is unknown, and of an expired leaf nothing about its chain. At the
// leaf's beginning everything above it should have been valid; just before the
// first end among the certificates all are, unless their times do not overlap.
// cause is what was found for now; a chain so long that looking again may take
// noticeable time is not worth it.
func verifyAnytime(chain []*x509.Certificate, roots *x509.CertPool, cause error) (verified [][]*x509.Certificate, err error) {
	if len(chain) > maxSensibleChain {
		return nil, cause
	}
	leaf := chain[0]
	first := leaf.NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(first) && c.NotAfter.After(leaf.NotBefore) {
			first = c.NotAfter
		}
	}
	for _, t := range [...]time.Time{first.Add(-time.Second), leaf.NotBefore.Add(time.Second)} {
		if verified, err = verifyAt(chain, roots, t); err == nil {
			break
		}
	}
	return verified, err
}

// checkTime notes that a certificate is out of its time.
func (i *inspection) checkTime(what string, c *x509.Certificate, now time.Time) {
	const layout = "2006-01-02 15:04:05 UTC"
	err := x509.CertificateInvalidError{Cert: c, Reason: x509.Expired}
	switch {
	case now.After(c.NotAfter):
		i.problem(err, "%s expired on %s", what, c.NotAfter.UTC().Format(layout))
	case now.Before(c.NotBefore):
		i.problem(err, "%s is not valid before %s", what, c.NotBefore.UTC().Format(layout))
	}
}

// checkAuthorities finds what is out of its time above the leaf, given chains
// that were right at another moment than now, and reports whether nothing is.
func (i *inspection) checkAuthorities(verified [][]*x509.Certificate, now time.Time) bool {
	late := func(c *x509.Certificate) bool { return now.Before(c.NotBefore) || now.After(c.NotAfter) }
	for _, chain := range verified {
		if !slices.ContainsFunc(chain[1:], late) {
			return true
		}
	}
	above := verified[0][1:]
	for n, c := range above {
		what := "intermediate"
		if n == len(above)-1 {
			what = "root"
		}
		i.checkTime("The "+what+" certificate of "+inWords(c.Subject), c, now)
	}
	return false
}

// distrust says why no chain leads to a trusted root, by going up as far as the
// certificates that were sent lead.
func (i *inspection) distrust(chain []*x509.Certificate, err error) {
	top := chain[0]
	for range chain {
		if forgeable(top.SignatureAlgorithm) && !selfIssued(top) {
			i.problem(err, "%s is signed with %s, which can be forged and is not accepted", called(top, chain), top.SignatureAlgorithm)
			return
		}
		parent := parentOf(top, chain)
		if parent == nil {
			break
		}
		top = parent
	}
	var (
		noRoots x509.SystemRootsError
		unknown x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &noRoots):
		i.problem(err, "This prober could not load its trusted authorities")
	case !errors.As(err, &unknown):
		i.problem(err, "The chain of the certificate is not acceptable: %s", printable(strings.TrimPrefix(err.Error(), "x509: "), 200))
	case selfIssued(chain[0]):
		i.problem(err, "The certificate is signed by itself: use one of a trusted authority, or trust this one")
	case selfIssued(top):
		i.problem(err, "The certificate comes from %s, an authority that is not trusted", inWords(top.Subject))
	case len(top.IssuingCertificateURL) > 0:
		i.problem(err, "The certificate of %s is missing, which issued %s: the server must send it along", inWords(top.Issuer), lower(called(top, chain)))
	default:
		i.problem(err, "The certificate comes from %s, which is not trusted: if that is an intermediate authority, the server must send its certificate along", inWords(top.Issuer))
	}
}

// checkStrength notes keys and signatures that can be broken, of what was sent.
// Roots are trusted for themselves, whatever signs them.
func (i *inspection) checkStrength(chain []*x509.Certificate) {
	for _, c := range chain {
		if selfIssued(c) && c != chain[0] {
			continue
		}
		if key, least := weakKey(c); key != "" {
			i.problem(nil, "The key of %s is %s: use at least %s", lower(called(c, chain)), key, least)
		}
		if forgeable(c.SignatureAlgorithm) {
			i.problem(nil, "%s is signed with %s, which can be forged and is not accepted", called(c, chain), c.SignatureAlgorithm)
		}
	}
}

func weakKey(c *x509.Certificate) (key, least string) {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return keyOf(c), "RSA 2048"
		}
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize < minECDSA {
			return keyOf(c), "ECDSA P-256"
		}
	}
	return "", ""
}

func forgeable(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	default:
		return false
	}
}

func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }

// parentOf is the certificate among chain that child names as its issuer.
func parentOf(child *x509.Certificate, chain []*x509.Certificate) *x509.Certificate {
	for _, c := range chain {
		if c != child && bytes.Equal(c.RawSubject, child.RawIssuer) {
			return c
		}
	}
	return nil
}

// issuerOf is the certificate among those sent that really signed the leaf.
func issuerOf(chain []*x509.Certificate) *x509.Certificate {
	if c := parentOf(chain[0], chain); c != nil && chain[0].CheckSignatureFrom(c) == nil {
		return c
	}
	return nil
}

// lastingLongest is the chain whose first end comes last.
func lastingLongest(chains [][]*x509.Certificate) []*x509.Certificate {
	best := chains[0]
	for _, chain := range chains[1:] {
		if endOf(chain).After(endOf(best)) {
			best = chain
		}
	}
	return best
}

func endOf(chain []*x509.Certificate) time.Time {
	end := chain[0].NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end
}

func beginOf(chain []*x509.Certificate) time.Time {
	begin := chain[0].NotBefore
	for _, c := range chain[1:] {
		if c.NotBefore.After(begin) {
			begin = c.NotBefore
		}
	}
	return begin
}
