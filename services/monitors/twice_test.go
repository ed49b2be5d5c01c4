package monitors_test

import (
	"context"
	"errors"

	"github.com/frogstats/uptime/services/monitors"
)

// twice runs all that writes twice, as an engine may after a conflict: the first run leaves nothing in the store, and what it
// left in memory must do no harm.
type twice struct{ monitors.Store }

var errConflict = errors.New("a conflict")

func (s twice) Write(ctx context.Context, fn func(tx monitors.Tx) error) error {
	err := s.Store.Write(ctx, func(tx monitors.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return errConflict
	})
	if !errors.Is(err, errConflict) {
		return err
	}
	return s.Store.Write(ctx, fn)
}
