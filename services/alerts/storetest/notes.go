package storetest

import (
	"strconv"
	"testing"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/alerts"
)

var ann = alerts.Author{Kind: identity.KindUser, ID: "u1", Name: "ann@example.com"}

// note stores a note about the incident and returns it.
func note(t testing.TB, s alerts.Store, incidentID uint32, text string, seconds int) alerts.Note {
	t.Helper()
	n := alerts.Note{OrganizationID: org, IncidentID: incidentID, Text: text, Author: ann, CreatedAt: at(seconds)}
	return must(s.CreateNote(ctx(t), n, func(n alerts.Note) (audit.Row, error) {
		return audit.New(ctx(t), "incident_note.create", "incident_note", strconv.Itoa(int(n.ID))), nil
	}))(t)
}

// withIncidents stores incidents 1 and 2 of the organization, and 3 of another.
func withIncidents(t testing.TB, s alerts.Store) {
	t.Helper()
	put(t, s, at(5), alerts.Batch{Incidents: []alerts.Incident{
		incident(1, org, monitor, 5), incident(2, org, monitor+1, 5), incident(3, other, monitor+2, 5),
	}})
}

var noteCases = []Case{
	{"note/round trip, oldest first", func(t testing.TB, s alerts.Store) {
		withIncidents(t, s)
		first, second := note(t, s, 1, "looking\n\tinto it 🐸", 9), note(t, s, 1, "fixed", 7)
		note(t, s, 2, "elsewhere", 8)
		same(t, "notes", must(s.Notes(ctx(t), org, 1))(t), []alerts.Note{first, second})
		if first.ID == 0 || first.ID == second.ID || first.Text != "looking\n\tinto it 🐸" || first.Author != ann {
			t.Errorf("first note: %+v", first)
		}
		same(t, "audit", actions(t, s), []string{"incident_note.create", "incident_note.create", "incident_note.create"})
	}},
	{"note/of another organization's incident there is none", func(t testing.TB, s alerts.Store) {
		withIncidents(t, s)
		mine := note(t, s, 1, "mine", 6)
		_, err := s.Notes(ctx(t), org, 3)
		wantErr(t, err, alerts.ErrIncidentNotFound)
		_, err = s.Notes(ctx(t), other, 1)
		wantErr(t, err, alerts.ErrIncidentNotFound)
		_, err = s.CreateNote(ctx(t), alerts.Note{OrganizationID: org, IncidentID: 3, Text: "x", Author: ann, CreatedAt: at(6)},
			func(alerts.Note) (audit.Row, error) { return row(t, "never"), nil })
		wantErr(t, err, alerts.ErrIncidentNotFound)
		_, err = s.UpdateNote(ctx(t), other, 1, mine.ID, func(*alerts.Note) (*audit.Row, error) { return nil, nil })
		wantErr(t, err, alerts.ErrIncidentNotFound)
		wantErr(t, s.DeleteNote(ctx(t), other, 1, mine.ID, func(alerts.Note) (audit.Row, error) { return row(t, "never"), nil }), alerts.ErrIncidentNotFound)
		// Nor of another incident of the same.
		_, err = s.UpdateNote(ctx(t), org, 2, mine.ID, func(*alerts.Note) (*audit.Row, error) { return nil, nil })
		wantErr(t, err, alerts.ErrNoteNotFound)
		wantErr(t, s.DeleteNote(ctx(t), org, 2, mine.ID, func(alerts.Note) (audit.Row, error) { return row(t, "never"), nil }), alerts.ErrNoteNotFound)
		same(t, "notes", must(s.Notes(ctx(t), org, 1))(t), []alerts.Note{mine})
	}},
	{"note/change and audit row are one", func(t testing.TB, s alerts.Store) {
		withIncidents(t, s)
		want := note(t, s, 1, "first", 6)
		_, err := s.UpdateNote(ctx(t), org, 1, want.ID, func(n *alerts.Note) (*audit.Row, error) {
			n.Text = "never"
			return nil, errStop
		})
		wantErr(t, err, errStop)
		must(s.UpdateNote(ctx(t), org, 1, want.ID, func(*alerts.Note) (*audit.Row, error) { return nil, nil }))(t)
		same(t, "notes", must(s.Notes(ctx(t), org, 1))(t), []alerts.Note{want})
		want.Text, want.EditedAt = "second", at(8)
		got := must(s.UpdateNote(ctx(t), org, 1, want.ID, func(n *alerts.Note) (*audit.Row, error) {
			n.Text, n.EditedAt = "second", at(8)
			r := row(t, "incident_note.update")
			return &r, nil
		}))(t)
		same(t, "changed", got, want)
		same(t, "notes", must(s.Notes(ctx(t), org, 1))(t), []alerts.Note{want})
		same(t, "audit", actions(t, s), []string{"incident_note.update", "incident_note.create"})
	}},
	{"note/deleted ones are gone, and their ids are not given again", func(t testing.TB, s alerts.Store) {
		withIncidents(t, s)
		n := note(t, s, 1, "wrong incident", 6)
		wantErr(t, s.DeleteNote(ctx(t), org, 1, n.ID, func(alerts.Note) (audit.Row, error) { return audit.Row{}, errStop }), errStop)
		same(t, "kept", must(s.Notes(ctx(t), org, 1))(t), []alerts.Note{n})
		check(t, s.DeleteNote(ctx(t), org, 1, n.ID, func(got alerts.Note) (audit.Row, error) {
			same(t, "given", got, n)
			return row(t, "incident_note.delete"), nil
		}))
		same(t, "notes", must(s.Notes(ctx(t), org, 1))(t), []alerts.Note(nil))
		wantErr(t, s.DeleteNote(ctx(t), org, 1, n.ID, func(alerts.Note) (audit.Row, error) { return row(t, "never"), nil }), alerts.ErrNoteNotFound)
		if again := note(t, s, 1, "again", 7); again.ID <= n.ID {
			t.Errorf("id %d after %d", again.ID, n.ID)
		}
	}},
	{"note/at most so many", func(t testing.TB, s alerts.Store) {
		withIncidents(t, s)
		for range alerts.MaxNotesPerIncident {
			note(t, s, 1, "x", 6)
		}
		_, err := s.CreateNote(ctx(t), alerts.Note{OrganizationID: org, IncidentID: 1, Text: "x", Author: ann, CreatedAt: at(6)},
			func(alerts.Note) (audit.Row, error) { return row(t, "never"), nil })
		wantErr(t, err, alerts.ErrTooManyNotes)
		note(t, s, 2, "x", 6)
	}},
	{"note/is written with what is done to the incident, or neither", func(t testing.TB, s alerts.Store) {
		withIncidents(t, s)
		handle := func(id uint32, audited bool, record func(alerts.Note) (audit.Row, error)) error {
			_, err := s.ChangeIncident(ctx(t), org, id, func(i *alerts.Incident) (alerts.Handling, error) {
				h := alerts.Handling{Note: &alerts.Note{Text: "mine", Author: ann, CreatedAt: at(7)}, Record: record}
				if audited {
					i.Status, i.AcknowledgedBy, i.AcknowledgedAt = alerts.IncidentAcknowledged, "ann", at(7)
					r := row(t, "incident.acknowledge")
					h.Audit = &r
				}
				return h, nil
			})
			return err
		}
		fails := func(alerts.Note) (audit.Row, error) { return audit.Row{}, errStop }
		works := func(alerts.Note) (audit.Row, error) { return row(t, "incident_note.create"), nil }
		wantErr(t, handle(1, true, fails), errStop)
		same(t, "incident", must(s.Incident(ctx(t), org, 1))(t), incident(1, org, monitor, 5))
		check(t, handle(1, true, works))
		check(t, handle(1, false, works))
		same(t, "status", must(s.Incident(ctx(t), org, 1))(t).Status, alerts.IncidentAcknowledged)
		notes := must(s.Notes(ctx(t), org, 1))(t)
		if len(notes) != 2 || notes[0].IncidentID != 1 || notes[0].OrganizationID != org || notes[1].Text != "mine" {
			t.Errorf("notes: %+v", notes)
		}
		same(t, "audited", len(actions(t, s)), 3)
	}},
}
