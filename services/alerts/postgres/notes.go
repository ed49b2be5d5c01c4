package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/internal/audit"
	auditpostgres "github.com/frogstats/uptime/internal/audit/postgres"
	"github.com/frogstats/uptime/services/alerts"
)

const selectNote = `
SELECT n.id, n.organization_id, n.incident_id, n.text, n.author_kind, n.author_id, n.author_name, n.created_at, n.edited_at
FROM incident_note n`

func scanNote(row pgx.Row) (n alerts.Note, err error) {
	var edited *time.Time
	err = row.Scan(&n.ID, &n.OrganizationID, &n.IncidentID, &n.Text, &n.Author.Kind, &n.Author.ID, &n.Author.Name, &n.CreatedAt, &edited)
	n.CreatedAt, n.EditedAt = n.CreatedAt.UTC(), fromMaybe(edited)
	return n, err
}

const (
	incidentExists  = `SELECT count(*) FROM incident WHERE organization_id = $1 AND id = $2`
	notesOfIncident = selectNote + `
WHERE n.organization_id = $1 AND n.incident_id = $2
ORDER BY n.id`
)

// Notes implements alerts.NoteStore.
func (s *Store) Notes(ctx context.Context, organization string, incidentID uint32) ([]alerts.Note, error) {
	// An incident is never removed, so that it is there may be asked first.
	if err := findIncident(ctx, s.db, organization, incidentID); err != nil {
		return nil, err
	}
	notes, err := collect(ctx, s.db, scanNote, notesOfIncident, organization, incidentID)
	return notes, wrap("list notes", err)
}

// findIncident returns ErrIncidentNotFound if there is no such incident.
func findIncident(ctx context.Context, q querier, organization string, id uint32) error {
	n, err := number[int64](q.QueryRow(ctx, incidentExists, organization, id))
	if err == nil && n == 0 {
		return alerts.ErrIncidentNotFound
	}
	return wrap("find incident", err)
}

const (
	// One creation at a time for each incident, so that two cannot both find room for one more.
	lockNotes  = `SELECT pg_advisory_xact_lock(hashtext('alerts.incident_note'), hashtext($1::bigint::text))`
	countNotes = `SELECT count(*) FROM incident_note WHERE incident_id = $1`
	insertNote = `
INSERT INTO incident_note (incident_id, organization_id, text, author_kind, author_id, author_name, created_at, edited_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING id`
)

// CreateNote implements alerts.NoteStore.
func (s *Store) CreateNote(ctx context.Context, n alerts.Note, record func(alerts.Note) (audit.Row, error)) (made alerts.Note, err error) {
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		if err := findIncident(ctx, tx, n.OrganizationID, n.IncidentID); err != nil {
			return err
		}
		made, err = createNote(ctx, tx, n, record)
		return err
	})
	return made, err
}

func createNote(ctx context.Context, tx pgx.Tx, n alerts.Note, record func(alerts.Note) (audit.Row, error)) (alerts.Note, error) {
	if _, err := tx.Exec(ctx, lockNotes, n.IncidentID); err != nil {
		return n, fmt.Errorf("lock notes: %w", err)
	}
	count, err := number[int64](tx.QueryRow(ctx, countNotes, n.IncidentID))
	if err != nil {
		return n, fmt.Errorf("count notes: %w", err)
	}
	if count >= alerts.MaxNotesPerIncident {
		return n, alerts.ErrTooManyNotes
	}
	n.ID, err = number[uint32](tx.QueryRow(ctx, insertNote, n.IncidentID, n.OrganizationID, text(n.Text), string(n.Author.Kind), text(n.Author.ID),
		text(n.Author.Name), millis(n.CreatedAt), maybeMillis(n.EditedAt)))
	if err != nil {
		return n, fmt.Errorf("create note: %w", err)
	}
	row, err := record(n)
	if err != nil {
		return n, err
	}
	return n, auditpostgres.Insert(ctx, tx, row)
}

const (
	// A change and a deletion take turns.
	lockNote = selectNote + `
WHERE n.organization_id = $1 AND n.incident_id = $2 AND n.id = $3
FOR UPDATE`
	updateNote = `UPDATE incident_note SET text = $1, edited_at = $2 WHERE id = $3`
	deleteNote = `DELETE FROM incident_note WHERE id = $1`
)

func readNote(ctx context.Context, tx pgx.Tx, organization string, incidentID, id uint32) (alerts.Note, error) {
	if err := findIncident(ctx, tx, organization, incidentID); err != nil {
		return alerts.Note{}, err
	}
	n, err := scanNote(tx.QueryRow(ctx, lockNote, organization, incidentID, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return alerts.Note{}, alerts.ErrNoteNotFound
	}
	return n, wrap("read note", err)
}

// UpdateNote implements alerts.NoteStore.
func (s *Store) UpdateNote(ctx context.Context, organization string, incidentID, id uint32, change func(*alerts.Note) (*audit.Row, error)) (n alerts.Note, err error) {
	err = s.db.Write(ctx, func(tx pgx.Tx) error {
		if n, err = readNote(ctx, tx, organization, incidentID, id); err != nil {
			return err
		}
		row, err := change(&n)
		if err != nil || row == nil {
			return err
		}
		if _, err := tx.Exec(ctx, updateNote, text(n.Text), maybeMillis(n.EditedAt), id); err != nil {
			return fmt.Errorf("update note: %w", err)
		}
		return auditpostgres.Insert(ctx, tx, *row)
	})
	return n, err
}

// DeleteNote implements alerts.NoteStore.
func (s *Store) DeleteNote(ctx context.Context, organization string, incidentID, id uint32, record func(alerts.Note) (audit.Row, error)) error {
	return s.db.Write(ctx, func(tx pgx.Tx) error {
		n, err := readNote(ctx, tx, organization, incidentID, id)
		if err != nil {
			return err
		}
		row, err := record(n)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, deleteNote, id); err != nil {
			return fmt.Errorf("delete note: %w", err)
		}
		return auditpostgres.Insert(ctx, tx, row)
	})
}
