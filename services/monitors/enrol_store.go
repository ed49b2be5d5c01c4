package monitors

import (
	"context"
	"time"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
)

// Enrolments is which remote probers may join, and which have.
type Enrolments interface {
	// ChangeEnrolments runs fn in one transaction, which is committed if fn returns nil and else leaves no trace; then the
	// error is fn's own. Such transactions come one after the other, those of other replicas included. fn may be run again
	// after a conflict. It must not keep tx, nor call ChangeEnrolments.
	ChangeEnrolments(ctx context.Context, fn func(tx EnrolmentTx) error) error
	// Enrolled returns all that have joined, by id, removed ones too.
	Enrolled(ctx context.Context) ([]Enrolled, error)
	// Certificate returns a certificate by its fingerprint; ErrNoCertificate if there is none.
	Certificate(ctx context.Context, fingerprint []byte) (Certificate, error)
	// UseCertificate notes that a certificate was used for the first time at a moment, and revokes those of the same prober
	// that were issued before it. For one that was used already, or was revoked, it does nothing.
	UseCertificate(ctx context.Context, fingerprint []byte, at time.Time) error
	// Authority returns what signs probers' certificates; false if there is none yet.
	Authority(ctx context.Context) (Authority, bool, error)
	// KeepAuthority keeps a unless there is an authority already, and returns the one that is kept. Of several calls at once
	// one wins, and all return the same.
	KeepAuthority(ctx context.Context, a Authority) (Authority, error)
}

// EnrolmentTx is a transaction of ChangeEnrolments.
type EnrolmentTx interface {
	// Enrolment returns the newest enrolment under a prober's id; false if there never was one.
	Enrolment(ctx context.Context, proberID string) (Enrolment, bool, error)
	// EnrolmentOf returns the enrolment that a token belongs to, by the token's hash; false if there is none.
	EnrolmentOf(ctx context.Context, tokenHash []byte) (Enrolment, bool, error)
	// PutEnrolment inserts e, or replaces the one under its id. The region is made if it is new.
	PutEnrolment(ctx context.Context, e Enrolment) error
	// IsProber reports whether a prober of that id has ever asked for work.
	IsProber(ctx context.Context, id string) (bool, error)
	// MarkProber sets when the prober was removed, in the row that tells of its stream, if there is one; the zero time takes
	// the mark away. A marked one counts as not connected.
	MarkProber(ctx context.Context, id string, removedAt time.Time) error
	// AddCertificate adds a certificate. The prober must be enrolled.
	AddCertificate(ctx context.Context, c Certificate) error
	// CertificateFor returns the newest certificate of a prober that is not revoked, for a key by its hash; false if there is
	// none.
	CertificateFor(ctx context.Context, proberID string, keyHash []byte) (Certificate, bool, error)
	// RevokeCertificates revokes all certificates of a prober.
	RevokeCertificates(ctx context.Context, proberID string, at time.Time) error
	// Audit adds a row.
	Audit(ctx context.Context, r audit.Row) error
}

// ErrNoCertificate is what a store answers for a certificate that it does not know.
var ErrNoCertificate = fault.NotFound("certificate not found")

// Enrolment is permission for a prober to join, and what became of it. Times that have not come are zero.
type Enrolment struct {
	ProberID       string
	Region         string
	OrganizationID string    // of who gave the permission; its audit log tells of the prober
	TokenHash      []byte    // SHA-256
	TokenExpiresAt time.Time // when the token, not used by then, is good for nothing
	KeyHash        []byte    // SHA-256 of the public key that joined; nil before
	Version        string    // of the binary that joined
	EnrolledAt     time.Time
	JoinedAt       time.Time
	RemovedAt      time.Time
}

// Certificate is one that was issued to a prober.
type Certificate struct {
	Fingerprint []byte // SHA-256 of DER
	ProberID    string
	Region      string // of the prober; not stored with the certificate
	KeyHash     []byte // SHA-256 of the public key
	DER         []byte
	IssuedAt    time.Time
	ExpiresAt   time.Time
	UsedAt      time.Time // zero: not yet
	RevokedAt   time.Time // zero: not revoked
}

// Enrolled is a prober that has joined.
type Enrolled struct {
	ProberID  string
	Region    string
	Version   string
	JoinedAt  time.Time
	RemovedAt time.Time // zero: not removed
	ExpiresAt time.Time // of the newest certificate in use, or of the newest; zero: there is none that is not revoked
}

// Authority is what signs the certificates of probers.
type Authority struct {
	Certificate []byte // PEM
	SealedKey   []byte // PEM, sealed
	MadeAt      time.Time
}
