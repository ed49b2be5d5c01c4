package clickhouse

import (
	"context"
	"errors"
	"time"

	"github.com/frogstats/uptime/internal/fault"
)

// Outage tells a server that cannot do it at the moment from one that was used wrongly. The first, which is away, too slow, out
// of memory, behind with its merges or for the time being read-only, becomes fault.KindUnavailable with err as its cause, for
// whoever asked may try again. Everything else stays what it is: faults, the caller's own deadline, and nil.
func Outage(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) {
		return err // it was the caller who had no more time; see because
	}
	var known *fault.Error
	if errors.As(err, &known) || !passing(err) {
		return err
	}
	return fault.Unavailable("").Wrap(err)
}

// IsOutage reports whether err, of Open or Migrate, is of a server that cannot be reached or used at the moment, so that
// another try may help. A wrong password, a database that there is not, a grant that is lacking stay until somebody changes
// them.
func IsOutage(err error) bool {
	return err != nil && (fault.Is(err, fault.KindUnavailable) || passing(err))
}

// passing reports whether the same statement may succeed later.
func passing(err error) bool {
	return IsUnavailable(err) || IsTimeout(err) || IsTooManyParts(err) || IsMemoryLimit(err) || Code(err) == tableReadOnly
}
