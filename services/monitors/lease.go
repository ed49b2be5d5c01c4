package monitors

import (
	"context"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
)

// Leases is who runs what.
type Leases interface{}

// RenewLease implements AssignmentsService.
func (s *Service) RenewLease(context.Context, *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
	return nil, fault.Unavailable("leases are not kept yet")
}
