package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/frogstats/uptime/internal/audit"
	auditsqlite "github.com/frogstats/uptime/internal/audit/sqlite"
	"github.com/frogstats/uptime/services/alerts"
)

const selectNote = `
SELECT n.id, n.organization_id, n.incident_id, n.text, n.author_kind, n.author_id, n.author_name, n.created_at, n.edited_at
FROM incident_note n`

func scanNote(row scanner) (n alerts.Note, err error) {
	var created int64
	var edited sql.NullInt64
	err = row.Scan(&n.ID, &n.OrganizationID, &n.IncidentID, &n.Text, &n.Author.Kind, &n.Author.ID, &n.Author.Name, &created, &edited)
	n.CreatedAt, n.EditedAt = fromMillis(created), fromMaybe(edited)
	return n, err
}

const (
	incidentExists  = `SELECT count(*) FROM incident WHERE organization_id = ? AND id = ?`
	notesOfIncident = selectNote + `
WHERE n.organization_id = ? AND n.incident_id = ?
ORDER BY n.id`
)

// Notes implements alerts.NoteStore.
func (s *Store) Notes(ctx context.Context, organization string, incidentID uint32) ([]alerts.Note, error) {
	// An incident is never removed, so that it is there may be asked first.
	if err := findIncident(ctx, s.db.Read(), organization, incidentID); err != nil {
		return nil, err
	}
	notes, err := collect(ctx, s.db.Read(), scanNote, notesOfIncident, organization, incidentID)
	return notes, wrap("list notes", err)
}

// findIncident returns ErrIncidentNotFound if there is no such incident.
func findIncident(ctx context.Context, q querier, organization string, id uint32) error {
	n, err := number[int64](q.QueryRowContext(ctx, incidentExists, organization, id))
	if err == nil && n == 0 {
		return alerts.ErrIncidentNotFound
	}
	return wrap("find incident", err)
}

const (
	countNotes = `SELECT count(*) FROM incident_note WHERE incident_id = ?`
	insertNote = `
INSERT INTO incident_note (incident_id, organization_id, text, author_kind, author_id, author_name, created_at, edited_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
RETURNING id`
)

// CreateNote implements alerts.NoteStore.
func (s *Store) CreateNote(ctx context.Context, n alerts.Note, record func(alerts.Note) (audit.Row, error)) (made alerts.Note, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		if err := findIncident(ctx, tx, n.OrganizationID, n.IncidentID); err != nil {
			return err
		}
		made, err = createNote(ctx, tx, n, record)
		return err
	})
	return made, err
}

func createNote(ctx context.Context, tx *sql.Tx, n alerts.Note, record func(alerts.Note) (audit.Row, error)) (alerts.Note, error) {
	count, err := number[int64](tx.QueryRowContext(ctx, countNotes, n.IncidentID))
	if err != nil {
		return n, fmt.Errorf("count notes: %w", err)
	}
	if count >= alerts.MaxNotesPerIncident {
		return n, alerts.ErrTooManyNotes
	}
	n.ID, err = number[uint32](tx.QueryRowContext(ctx, insertNote, n.IncidentID, n.OrganizationID, n.Text, string(n.Author.Kind), n.Author.ID,
		n.Author.Name, millis(n.CreatedAt), maybeMillis(n.EditedAt)))
	if err != nil {
		return n, fmt.Errorf("create note: %w", err)
	}
	row, err := record(n)
	if err != nil {
		return n, err
	}
	return n, auditsqlite.Insert(ctx, tx, row)
}

const (
	oneNote = selectNote + `
WHERE n.organization_id = ? AND n.incident_id = ? AND n.id = ?`
	updateNote = `UPDATE incident_note SET text = ?, edited_at = ? WHERE id = ?`
	deleteNote = `DELETE FROM incident_note WHERE id = ?`
)

func readNote(ctx context.Context, tx *sql.Tx, organization string, incidentID, id uint32) (alerts.Note, error) {
	if err := findIncident(ctx, tx, organization, incidentID); err != nil {
		return alerts.Note{}, err
	}
	n, err := scanNote(tx.QueryRowContext(ctx, oneNote, organization, incidentID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return alerts.Note{}, alerts.ErrNoteNotFound
	}
	return n, wrap("read note", err)
}

// UpdateNote implements alerts.NoteStore.
func (s *Store) UpdateNote(ctx context.Context, organization string, incidentID, id uint32, change func(*alerts.Note) (*audit.Row, error)) (n alerts.Note, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		if n, err = readNote(ctx, tx, organization, incidentID, id); err != nil {
			return err
		}
		row, err := change(&n)
		if err != nil || row == nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, updateNote, n.Text, maybeMillis(n.EditedAt), id); err != nil {
			return fmt.Errorf("update note: %w", err)
		}
		return auditsqlite.Insert(ctx, tx, *row)
	})
	return n, err
}

// DeleteNote implements alerts.NoteStore.
func (s *Store) DeleteNote(ctx context.Context, organization string, incidentID, id uint32, record func(alerts.Note) (audit.Row, error)) error {
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := readNote(ctx, tx, organization, incidentID, id)
		if err != nil {
			return err
		}
		row, err := record(n)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, deleteNote, id); err != nil {
			return fmt.Errorf("delete note: %w", err)
		}
		return auditsqlite.Insert(ctx, tx, row)
	})
}
