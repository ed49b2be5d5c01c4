package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/monitors"
)

const (
	selectVersions = `
SELECT w.id, w.organization_id, w.created_at, w.created_by, v.version, v.config, v.valid_from, v.valid_until, v.rev
FROM maintenance_version AS v
JOIN maintenance_window AS w ON w.id = v.window_id`
	selectWindow = selectVersions + `
WHERE w.organization_id = $1 AND w.id = $2 AND w.deleted_at IS NULL AND v.valid_until IS NULL`
	selectWindows = selectVersions + `
WHERE w.organization_id = $1 AND w.deleted_at IS NULL AND v.valid_until IS NULL
ORDER BY w.id DESC`
	changedVersions = selectVersions + `
WHERE v.rev > $1 AND (v.valid_until IS NULL OR v.valid_until > $2)
ORDER BY v.rev
LIMIT $3`
)

// Window implements monitors.WindowStore.
func (s *Store) Window(ctx context.Context, organizationID string, id uint32) (monitors.Window, error) {
	return window(ctx, s.db, organizationID, id)
}

// Window implements monitors.WindowTx. The lock on writing keeps others away.
func (t tx) Window(ctx context.Context, organizationID string, id uint32) (monitors.Window, error) {
	return window(ctx, t, organizationID, id)
}

func window(ctx context.Context, q querier, organizationID string, id uint32) (monitors.Window, error) {
	ws, err := collect(ctx, q, scanWindow, selectWindow, organizationID, id)
	if err != nil {
		return monitors.Window{}, fmt.Errorf("read window %d: %w", id, err)
	}
	if len(ws) == 0 {
		return monitors.Window{}, monitors.ErrWindowNotFound
	}
	return ws[0], nil
}

// Windows implements monitors.WindowStore.
func (s *Store) Windows(ctx context.Context, organizationID string) ([]monitors.Window, error) {
	ws, err := collect(ctx, s.db, scanWindow, selectWindows, organizationID)
	if err != nil {
		return nil, fmt.Errorf("list windows: %w", err)
	}
	return ws, nil
}

// WindowVersions implements monitors.WindowStore.
func (s *Store) WindowVersions(ctx context.Context, rev int64, since time.Time, limit int) ([]monitors.Window, error) {
	ws, err := collect(ctx, s.db, scanWindow, changedVersions, rev, millis(since), limit)
	if err != nil {
		return nil, fmt.Errorf("read versions of windows: %w", err)
	}
	return ws, nil
}

func scanWindow(row pgx.CollectableRow) (w monitors.Window, err error) {
	var config []byte
	var until *time.Time
	if err := row.Scan(&w.ID, &w.OrganizationID, &w.CreatedAt, &w.CreatedBy, &w.Version, &config, &w.From, &until, &w.Rev); err != nil {
		return monitors.Window{}, err
	}
	if until != nil {
		w.Until = *until
	}
	return w, readJSONB(config, &w.Config)
}

// It does nothing if the organization has all that it may have. The lock on writing is held, so nobody else counts meanwhile.
const insertWindow = `
INSERT INTO maintenance_window (organization_id, created_at, created_by)
SELECT $1, $2, $3
WHERE (SELECT count(*) FROM maintenance_window WHERE organization_id = $1 AND deleted_at IS NULL) < $4
RETURNING id`

// InsertWindow implements monitors.WindowTx.
func (t tx) InsertWindow(ctx context.Context, w monitors.Window) (id uint32, err error) {
	err = t.QueryRow(ctx, insertWindow, w.OrganizationID, millis(w.CreatedAt), w.CreatedBy, monitors.MaxWindows).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, monitors.ErrTooManyWindows
	}
	if err != nil {
		return 0, fmt.Errorf("insert window: %w", err)
	}
	w.ID = id
	return id, t.insertVersion(ctx, w)
}

const insertVersion = nextRev + `
INSERT INTO maintenance_version (window_id, version, config, valid_from, rev)
VALUES ($1, $2, $3, $4, (SELECT rev FROM next))`

func (t tx) insertVersion(ctx context.Context, w monitors.Window) error {
	if _, err := t.Exec(ctx, insertVersion, w.ID, int64(w.Version), jsonb(w.Config), millis(w.From)); err != nil {
		return fmt.Errorf("insert version of window %d: %w", w.ID, err)
	}
	return nil
}

// ReplaceWindow implements monitors.WindowTx.
func (t tx) ReplaceWindow(ctx context.Context, w monitors.Window) error {
	if err := t.endVersion(ctx, w.OrganizationID, w.ID, w.From); err != nil {
		return err
	}
	return t.insertVersion(ctx, w)
}

const endVersion = nextRev + `
UPDATE maintenance_version
SET valid_until = $3, rev = (SELECT rev FROM next)
WHERE valid_until IS NULL
    AND window_id = (SELECT id FROM maintenance_window WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL)`

func (t tx) endVersion(ctx context.Context, organizationID string, id uint32, at time.Time) error {
	ended, err := t.Exec(ctx, endVersion, organizationID, id, millis(at))
	if err != nil {
		return fmt.Errorf("end version of window %d: %w", id, err)
	}
	if ended.RowsAffected() == 0 {
		return monitors.ErrWindowNotFound
	}
	return nil
}

const deleteWindow = `UPDATE maintenance_window SET deleted_at = $2 WHERE id = $1`

// DeleteWindow implements monitors.WindowTx.
func (t tx) DeleteWindow(ctx context.Context, organizationID string, id uint32, at time.Time) error {
	if err := t.endVersion(ctx, organizationID, id, at); err != nil {
		return err
	}
	if _, err := t.Exec(ctx, deleteWindow, id, millis(at)); err != nil {
		return fmt.Errorf("delete window %d: %w", id, err)
	}
	return nil
}
