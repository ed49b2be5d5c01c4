package accounts_test

import (
	"context"
	"errors"

	"github.com/frogstats/uptime/services/accounts"
)

// twice runs all that writes twice, as an engine may after a conflict: the first run leaves nothing in the store, and what it
// left in memory must do no harm.
type twice struct{ accounts.Store }

var errConflict = errors.New("a conflict")

func (s twice) Update(ctx context.Context, fn func(tx accounts.Tx) error) error {
	err := s.Store.Update(ctx, func(tx accounts.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return errConflict
	})
	if !errors.Is(err, errConflict) {
		return err
	}
	return s.Store.Update(ctx, fn)
}
