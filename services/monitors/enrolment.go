package monitors

import (
	"context"

	"google.golang.org/protobuf/types/known/emptypb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
)

// Enrolments is which remote probers may join, and which have.
type Enrolments interface{}

var errNoEnrolment = fault.Unavailable("probers cannot join yet")

// EnrolProber implements MonitorsService.
func (s *Service) EnrolProber(context.Context, *monitorsv1.EnrolProberRequest) (*monitorsv1.ProberEnrolment, error) {
	return nil, errNoEnrolment
}

// RemoveProber implements MonitorsService.
func (s *Service) RemoveProber(context.Context, *monitorsv1.RemoveProberRequest) (*emptypb.Empty, error) {
	return nil, errNoEnrolment
}

// JoinProber implements EnrolmentService.
func (s *Service) JoinProber(context.Context, *monitorsv1.JoinProberRequest) (*monitorsv1.ProberCertificate, error) {
	return nil, errNoEnrolment
}

// RotateCertificate implements EnrolmentService.
func (s *Service) RotateCertificate(context.Context, *monitorsv1.RotateCertificateRequest) (*monitorsv1.ProberCertificate, error) {
	return nil, errNoEnrolment
}

// AuthenticateProber implements EnrolmentService.
func (s *Service) AuthenticateProber(context.Context, *monitorsv1.AuthenticateProberRequest) (*monitorsv1.AuthenticateProberResponse, error) {
	return nil, errNoEnrolment
}
