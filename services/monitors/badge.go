package monitors

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"regexp"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

// Badge is the token under which anybody may read a monitor's state.
type Badge struct {
	Token          string
	MonitorID      uint32
	OrganizationID string
	CreatedAt      time.Time
	CreatedBy      string // user; "" for a program
}

// Badges are the badges of monitors.
type Badges interface {
	// Badge returns the badge of a monitor, or ErrNoBadge: also of a monitor that is deleted or another organization's.
	Badge(ctx context.Context, organizationID string, monitorID uint32) (Badge, error)
	// BadgeOf returns the badge with a token, or ErrNoBadge: also of a monitor that is deleted.
	BadgeOf(ctx context.Context, token string) (Badge, error)
}

// BadgeTx changes badges.
type BadgeTx interface {
	// PutBadge gives a monitor that is there a badge, in place of one that it may have.
	PutBadge(ctx context.Context, b Badge) error
	// DeleteBadge takes a monitor's badge away. ErrNoBadge if it has none.
	DeleteBadge(ctx context.Context, organizationID string, monitorID uint32) error
}

// ErrNoBadge is the answer where there is no badge.
var ErrNoBadge = fault.NotFound("the monitor has no badge").Because("NO_BADGE")

// tokenBytes are so many that nobody guesses a token.
const tokenBytes = 18

var badgeToken = regexp.MustCompile(`^[A-Za-z0-9_-]{24}$`)

func newBadgeToken() string {
	b := make([]byte, tokenBytes)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// GetBadge returns the badge of a monitor, with a token if there is one.
func (s *Service) GetBadge(ctx context.Context, req *monitorsv1.GetBadgeRequest) (*monitorsv1.Badge, error) {
	m, err := s.store.Monitor(ctx, organization(ctx), req.GetMonitorId())
	if err != nil {
		return nil, err
	}
	b, err := s.store.Badge(ctx, m.OrganizationID, m.ID)
	if errors.Is(err, ErrNoBadge) {
		return &monitorsv1.Badge{MonitorId: m.ID}, nil
	}
	if err != nil {
		return nil, err
	}
	return badgeToProto(b), nil
}

// CreateBadge makes a token, or another in place of the one there is.
func (s *Service) CreateBadge(ctx context.Context, req *monitorsv1.CreateBadgeRequest) (*monitorsv1.Badge, error) {
	caller, _ := identity.FromContext(ctx)
	b := Badge{Token: newBadgeToken(), MonitorID: req.GetMonitorId(), OrganizationID: caller.OrganizationID, CreatedAt: now(), CreatedBy: caller.UserID}
	err := s.store.Write(ctx, func(tx Tx) error {
		m, err := tx.Monitor(ctx, b.OrganizationID, b.MonitorID)
		if err != nil {
			return err
		}
		if err := tx.PutBadge(ctx, b); err != nil {
			return err
		}
		return audited(ctx, tx, "badge_create", idText(m.ID), nil, nil)
	})
	if err != nil {
		return nil, err
	}
	return badgeToProto(b), nil
}

// DeleteBadge revokes a token.
func (s *Service) DeleteBadge(ctx context.Context, req *monitorsv1.DeleteBadgeRequest) (*emptypb.Empty, error) {
	err := s.store.Write(ctx, func(tx Tx) error {
		m, err := tx.Monitor(ctx, organization(ctx), req.GetMonitorId())
		if err != nil {
			return err
		}
		if err := tx.DeleteBadge(ctx, m.OrganizationID, m.ID); err != nil {
			return err
		}
		return audited(ctx, tx, "badge_delete", idText(m.ID), nil, nil)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// ResolveBadge says whose badge a token is.
func (s *Service) ResolveBadge(ctx context.Context, req *monitorsv1.ResolveBadgeRequest) (*monitorsv1.ResolveBadgeResponse, error) {
	if !badgeToken.MatchString(req.GetToken()) {
		return nil, ErrNoBadge
	}
	b, err := s.store.BadgeOf(ctx, req.GetToken())
	if err != nil {
		return nil, err
	}
	return &monitorsv1.ResolveBadgeResponse{OrganizationId: b.OrganizationID, MonitorId: b.MonitorID}, nil
}

func badgeToProto(b Badge) *monitorsv1.Badge {
	out := &monitorsv1.Badge{MonitorId: b.MonitorID, Token: proto.String(b.Token), CreatedAt: timestamppb.New(b.CreatedAt)}
	if b.CreatedBy != "" {
		out.CreatedBy = proto.String(b.CreatedBy)
	}
	return out
}
