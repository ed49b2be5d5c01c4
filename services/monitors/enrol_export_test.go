package monitors

import (
	"context"
	"time"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// AuthenticateAt is AuthenticateProber at another time.
func (s *Service) AuthenticateAt(ctx context.Context, der []byte, at time.Time) (*monitorsv1.AuthenticateProberResponse, error) {
	return s.authenticate(ctx, der, at)
}
