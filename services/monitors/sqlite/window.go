package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/frogstats/uptime/services/monitors"
)

const (
	selectVersions = `
SELECT w.id, w.organization_id, w.created_at, w.created_by, v.version, v.config, v.valid_from, v.valid_until, v.rev
FROM maintenance_version AS v
JOIN maintenance_window AS w ON w.id = v.window_id`
	selectWindow = selectVersions + `
WHERE w.organization_id = ? AND w.id = ? AND w.deleted_at IS NULL AND v.valid_until IS NULL`
	selectWindows = selectVersions + `
WHERE w.organization_id = ? AND w.deleted_at IS NULL AND v.valid_until IS NULL
ORDER BY w.id DESC`
	changedVersions = selectVersions + `
WHERE v.rev > ? AND (v.valid_until IS NULL OR v.valid_until > ?)
ORDER BY v.rev
LIMIT ?`
)

// Window implements monitors.WindowStore.
func (s *Store) Window(ctx context.Context, organizationID string, id uint32) (monitors.Window, error) {
	return window(ctx, s.db.Read(), organizationID, id)
}

// Window implements monitors.WindowTx.
func (t tx) Window(ctx context.Context, organizationID string, id uint32) (monitors.Window, error) {
	return window(ctx, t, organizationID, id)
}

func window(ctx context.Context, q querier, organizationID string, id uint32) (monitors.Window, error) {
	w, err := scanWindow(q.QueryRowContext(ctx, selectWindow, organizationID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return monitors.Window{}, monitors.ErrWindowNotFound
	}
	if err != nil {
		return monitors.Window{}, fmt.Errorf("read window %d: %w", id, err)
	}
	return w, nil
}

// Windows implements monitors.WindowStore.
func (s *Store) Windows(ctx context.Context, organizationID string) ([]monitors.Window, error) {
	return s.windows(ctx, selectWindows, organizationID)
}

// WindowVersions implements monitors.WindowStore.
func (s *Store) WindowVersions(ctx context.Context, rev int64, since time.Time, limit int) ([]monitors.Window, error) {
	return s.windows(ctx, changedVersions, rev, since.UnixMilli(), limit)
}

func (s *Store) windows(ctx context.Context, query string, args ...any) (ws []monitors.Window, err error) {
	rows, err := s.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read windows: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		w, err := scanWindow(rows)
		if err != nil {
			return nil, fmt.Errorf("read windows: %w", err)
		}
		ws = append(ws, w)
	}
	return ws, rows.Err()
}

func scanWindow(row interface{ Scan(...any) error }) (w monitors.Window, err error) {
	var config []byte
	var created, from int64
	var until sql.NullInt64
	if err := row.Scan(&w.ID, &w.OrganizationID, &created, &w.CreatedBy, &w.Version, &config, &from, &until, &w.Rev); err != nil {
		return monitors.Window{}, err
	}
	w.CreatedAt, w.From = fromMillis(created), fromMillis(from)
	if until.Valid {
		w.Until = fromMillis(until.Int64)
	}
	return w, json.Unmarshal(config, &w.Config)
}

const (
	countWindows = `SELECT count(*) FROM maintenance_window WHERE organization_id = ? AND deleted_at IS NULL`
	insertWindow = `
INSERT INTO maintenance_window (organization_id, created_at, created_by)
VALUES (?, ?, ?)
RETURNING id`
	insertVersion = `
INSERT INTO maintenance_version (window_id, version, config, valid_from, rev)
VALUES (?, ?, ?, ?, ?)`
	endVersion = `
UPDATE maintenance_version
SET valid_until = ?, rev = ?
WHERE valid_until IS NULL
    AND window_id = (SELECT id FROM maintenance_window WHERE organization_id = ? AND id = ? AND deleted_at IS NULL)`
	deleteWindow = `UPDATE maintenance_window SET deleted_at = ? WHERE id = ?`
)

// InsertWindow implements monitors.WindowTx.
func (t tx) InsertWindow(ctx context.Context, w monitors.Window) (id uint32, err error) {
	var n int
	if err := t.QueryRowContext(ctx, countWindows, w.OrganizationID).Scan(&n); err != nil {
		return 0, fmt.Errorf("count windows: %w", err)
	}
	if n >= monitors.MaxWindows {
		return 0, monitors.ErrTooManyWindows
	}
	if err := t.QueryRowContext(ctx, insertWindow, w.OrganizationID, w.CreatedAt.UnixMilli(), w.CreatedBy).Scan(&id); err != nil {
		return 0, fmt.Errorf("insert window: %w", err)
	}
	w.ID = id
	return id, t.insertVersion(ctx, w)
}

func (t tx) insertVersion(ctx context.Context, w monitors.Window) error {
	rev, err := t.nextRev(ctx)
	if err != nil {
		return fmt.Errorf("insert version of window %d: %w", w.ID, err)
	}
	if _, err := t.ExecContext(ctx, insertVersion, w.ID, w.Version, jsonText(w.Config), w.From.UnixMilli(), rev); err != nil {
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

func (t tx) endVersion(ctx context.Context, organizationID string, id uint32, at time.Time) error {
	rev, err := t.nextRev(ctx)
	if err != nil {
		return fmt.Errorf("end version of window %d: %w", id, err)
	}
	result, err := t.ExecContext(ctx, endVersion, at.UnixMilli(), rev, organizationID, id)
	if err != nil {
		return fmt.Errorf("end version of window %d: %w", id, err)
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return monitors.ErrWindowNotFound
}

// DeleteWindow implements monitors.WindowTx.
func (t tx) DeleteWindow(ctx context.Context, organizationID string, id uint32, at time.Time) error {
	if err := t.endVersion(ctx, organizationID, id, at); err != nil {
		return err
	}
	if _, err := t.ExecContext(ctx, deleteWindow, at.UnixMilli(), id); err != nil {
		return fmt.Errorf("delete window %d: %w", id, err)
	}
	return nil
}
