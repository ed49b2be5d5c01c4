package monitors

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

// A remote prober joins in three steps: an admin makes a token, which is kept as a hash; the prober makes a key pair and
// exchanges the token for a certificate; from then on the certificate says who it is, and is exchanged for a new one before
// it expires. Nothing that is stored here lets anybody pass for a prober.

const (
	tokenPrefix       = "upt_join_"
	defaultTokenValid = time.Hour
	// placeholderURL stands in the command where nobody told the server its own URL.
	placeholderURL = "https://YOUR-SERVER"

	joinEvery = time.Second // per address
	joinBurst = 60

	proberKind = "prober"
)

// The ways in which a token is refused. They can be told apart only by somebody who holds the token.
var (
	errTokenUnknown = fault.Unauthenticated("this enrolment token is not known; make a new one (POST /api/uptime/probers)").
			Because("TOKEN_UNKNOWN")
	errTokenUsed = fault.Unauthenticated("this enrolment token was used already; a prober that lost its identity needs a new token, " +
		"after the old prober was removed").Because("TOKEN_USED")
	errTokenExpired = fault.Unauthenticated("this enrolment token has expired; make a new one (POST /api/uptime/probers)").
			Because("TOKEN_EXPIRED")
	errTokenVoid = fault.Unauthenticated("this enrolment token was withdrawn; make a new one (POST /api/uptime/probers)").
			Because("TOKEN_UNKNOWN")
)

// errProberExists is what asking for a taken id answers.
var errProberExists = &fault.Error{
	Kind: fault.KindConflict, Public: "there is a prober with this id; remove it first, or choose another id", Reason: "PROBER_EXISTS",
	Fields: []fault.Field{{Name: "id", Message: "is another prober's"}},
}

// proberSnapshot is what the audit log shows of an enrolled prober.
type proberSnapshot struct {
	ID        string     `json:"id"`
	Region    string     `json:"region"`
	Joined    bool       `json:"joined"`
	ExpiresAt *time.Time `json:"enrolment_expires_at,omitempty"`
}

func proberSnapshotOf(e Enrolment) proberSnapshot {
	s := proberSnapshot{ID: e.ProberID, Region: e.Region, Joined: !e.JoinedAt.IsZero()}
	if !s.Joined {
		s.ExpiresAt = &e.TokenExpiresAt
	}
	return s
}

// EnrolProber makes a token with which one prober may join. Asking again for an id that has not joined yet makes the token
// before worthless.
func (s *Service) EnrolProber(ctx context.Context, req *monitorsv1.EnrolProberRequest) (*monitorsv1.ProberEnrolment, error) {
	valid := defaultTokenValid
	if req.ValidSeconds != nil {
		valid = time.Duration(req.GetValidSeconds()) * time.Second
	}
	id := req.GetId()
	if req.Id == nil {
		id = req.GetRegion() + "-" + strings.ToLower(rand.Text()[:8])
	}
	at, token := now(), tokenPrefix+rand.Text()
	e := Enrolment{
		ProberID: id, Region: req.GetRegion(), OrganizationID: organization(ctx), TokenHash: tokenHash(token),
		TokenExpiresAt: at.Add(valid), EnrolledAt: at,
	}
	err := s.store.ChangeEnrolments(ctx, func(tx EnrolmentTx) error {
		old, known, err := tx.Enrolment(ctx, id)
		if err != nil {
			return err
		}
		own, err := tx.IsProber(ctx, id)
		if err != nil {
			return err
		}
		pending := known && (old.JoinedAt.IsZero() || !old.RemovedAt.IsZero())
		if known && !pending || own && !known {
			return errProberExists
		}
		if err := tx.PutEnrolment(ctx, e); err != nil {
			return err
		}
		row, err := audit.New(ctx, proberKind+".enrol", proberKind, id).Change(nil, proberSnapshotOf(e))
		if err != nil {
			return err
		}
		return tx.Audit(ctx, row)
	})
	if err != nil {
		return nil, err
	}
	return &monitorsv1.ProberEnrolment{
		Id: id, Region: e.Region, Token: token, ExpiresAt: timestamppb.New(e.TokenExpiresAt), Command: s.joinCommand(token, e.Region),
	}, nil
}

// joinCommand is what to run on the prober's machine. Nothing in it needs quoting.
func (s *Service) joinCommand(token, region string) string {
	url := s.publicURL
	if url == "" {
		url = placeholderURL
	}
	return fmt.Sprintf("frogup prober --join %s --token %s --region %s --data ./frogup-prober", url, token, region)
}

// tokenHash is what is kept of a token. It is of 128 random bits, so that a plain hash is enough, and looking a hash up
// tells nothing of the token by how long it takes.
func tokenHash(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// JoinProber exchanges a token for a certificate. If the answer is lost on its way, the prober may ask again with the same
// key, and only with that.
func (s *Service) JoinProber(ctx context.Context, req *monitorsv1.JoinProberRequest) (*monitorsv1.ProberCertificate, error) {
	ip := forwardedFor(ctx)
	if err := s.joins.take(ip); err != nil {
		var limit *fault.Error
		errors.As(err, &limit)
		return nil, fault.Exhausted("too many attempts to join; wait a moment").After(limit.RetryAfter)
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
		e, found, err := tx.EnrolmentOf(ctx, tokenHash(req.GetToken()))
		if err != nil {
			return err
		}
		if err := joinable(e, found, asked, at); err != nil {
			return err
		}
		if want := req.GetRegion(); want != "" && want != e.Region {
			return fault.Precondition(fmt.Sprintf("this enrolment token is for the region %q, not %q; the token is still good", e.Region, want)).
				Because("REGION_MISMATCH")
		}
		if !e.JoinedAt.IsZero() { // the same key, again
			cert, found, err = tx.CertificateFor(ctx, e.ProberID, asked.keyHash)
			if err == nil && !found {
				err = errTokenUsed
			}
			return err
		}
		before := proberSnapshotOf(e)
		e.KeyHash, e.JoinedAt, e.Version = asked.keyHash, at, req.GetVersion()
		if cert, err = s.issue(issuer, asked, e.ProberID, e.Region, at); err != nil {
			return err
		}
		return admit(ctx, tx, e, cert, before, ip)
	})
	if err != nil {
		return nil, err
	}
	s.log.InfoContext(ctx, "prober joined", "prober_id", cert.ProberID, "region", cert.Region, "prober_version", req.GetVersion(), "remote_ip", ip)
	return certificateToProto(cert, issuer), nil
}

// joinable reports why a token lets nobody in.
func joinable(e Enrolment, found bool, asked certificateRequest, at time.Time) error {
	switch {
	case !found:
		return errTokenUnknown
	case !e.RemovedAt.IsZero():
		return errTokenVoid
	case !e.JoinedAt.IsZero() && string(e.KeyHash) != string(asked.keyHash):
		return errTokenUsed
	case !at.Before(e.TokenExpiresAt) && e.JoinedAt.IsZero():
		return errTokenExpired
	case !at.Before(e.TokenExpiresAt):
		return errTokenUsed
	}
	return nil
}

// admit stores that a prober has joined.
func admit(ctx context.Context, tx EnrolmentTx, e Enrolment, cert Certificate, before proberSnapshot, ip string) error {
	if err := tx.PutEnrolment(ctx, e); err != nil {
		return err
	}
	if err := tx.RevokeCertificates(ctx, e.ProberID, e.JoinedAt); err != nil { // of a prober of that id that was removed
		return err
	}
	if err := tx.AddCertificate(ctx, cert); err != nil {
		return err
	}
	if err := tx.MarkProber(ctx, e.ProberID, time.Time{}); err != nil {
		return err
	}
	row, err := audit.New(ctx, proberKind+".join", proberKind, e.ProberID).Change(before, proberSnapshotOf(e))
	if err != nil {
		return err
	}
	row.OrganizationID, row.ActorKind, row.ActorID, row.ActorName, row.IP = e.OrganizationID, string(identity.KindProber), e.ProberID, e.ProberID, ip
	return tx.Audit(ctx, row)
}

// RemoveProber takes a prober's certificates away. The gateway ends its streams when it next asks whose they are; leases look
// at the mark in the prober's row.
func (s *Service) RemoveProber(ctx context.Context, req *monitorsv1.RemoveProberRequest) (*emptypb.Empty, error) {
	at, id := now(), req.GetId()
	err := s.store.ChangeEnrolments(ctx, func(tx EnrolmentTx) error {
		e, known, err := tx.Enrolment(ctx, id)
		if err != nil {
			return err
		}
		if !known || !e.RemovedAt.IsZero() {
			return s.notEnrolled(ctx, tx, id, known)
		}
		before := proberSnapshotOf(e)
		e.RemovedAt = at
		if err := tx.PutEnrolment(ctx, e); err != nil {
			return err
		}
		if err := tx.RevokeCertificates(ctx, id, at); err != nil {
			return err
		}
		if err := tx.MarkProber(ctx, id, at); err != nil {
			return err
		}
		row, err := audit.New(ctx, proberKind+".remove", proberKind, id).Change(before, nil)
		if err != nil {
			return err
		}
		return tx.Audit(ctx, row)
	})
	if err != nil {
		return nil, err
	}
	s.changed.fire() // those who watch may find that they have no business here any more
	s.log.InfoContext(ctx, "prober removed", "prober_id", id)
	return &emptypb.Empty{}, nil
}

// notEnrolled says why a prober cannot be removed.
func (s *Service) notEnrolled(ctx context.Context, tx EnrolmentTx, id string, removed bool) error {
	own, err := tx.IsProber(ctx, id)
	if err != nil {
		return err
	}
	if own && !removed {
		return fault.Precondition("this prober belongs to the installation and did not join with a token; stop its process instead")
	}
	return fault.NotFound("prober not found")
}

// forwardedForKey is where the edge tells who asked it; the last address is the one that it saw itself.
const forwardedForKey = "x-forwarded-for"

func forwardedFor(ctx context.Context) string {
	all := strings.Split(strings.Join(metadata.ValueFromIncomingContext(ctx, forwardedForKey), ","), ",")
	return strings.TrimSpace(all[len(all)-1])
}
