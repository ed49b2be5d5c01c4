package storetest_test

import (
	"context"
	"slices"
	"time"

	"github.com/frogstats/uptime/services/monitors"
)

// keepsWindows deletes no window.
type keepsWindows struct{ monitors.Tx }

func (keepsWindows) DeleteWindow(context.Context, string, uint32, time.Time) error { return nil }

// windowGossip shows an organization's windows to everybody.
type windowGossip struct{ monitors.Store }

func (s windowGossip) Windows(ctx context.Context, _ string) ([]monitors.Window, error) {
	return s.Store.Windows(ctx, "mine")
}

// generous counts every window for another organization.
type generous struct{ monitors.Tx }

func (t generous) InsertWindow(ctx context.Context, w monitors.Window) (uint32, error) {
	w.OrganizationID = time.Now().String()
	return t.Tx.InsertWindow(ctx, w)
}

// newestWindows forgets the versions that do not hold any more.
type newestWindows struct{ monitors.Store }

func (s newestWindows) WindowVersions(ctx context.Context, rev int64, since time.Time, limit int) ([]monitors.Window, error) {
	all, err := s.Store.WindowVersions(ctx, rev, since, limit)
	return slices.DeleteFunc(all, func(w monitors.Window) bool { return !w.Until.IsZero() }), err
}
