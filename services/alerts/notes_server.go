package alerts

import (
	"context"

	"google.golang.org/protobuf/types/known/emptypb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/identity"
)

type notesServer struct {
	alertsv1.UnsafeIncidentNotesServiceServer
	*Service
}

var _ alertsv1.IncidentNotesServiceServer = (*notesServer)(nil)

// ListIncidentNotes implements alertsv1.IncidentNotesServiceServer.
func (s *notesServer) ListIncidentNotes(ctx context.Context, in *alertsv1.ListIncidentNotesRequest) (*alertsv1.ListIncidentNotesResponse, error) {
	p := caller(ctx)
	notes, err := s.store.Notes(ctx, p.OrganizationID, in.GetIncidentId())
	if err != nil {
		return nil, err
	}
	out := &alertsv1.ListIncidentNotesResponse{}
	for _, n := range notes {
		out.Notes = append(out.Notes, noteProto(n, p))
	}
	return out, nil
}

// CreateIncidentNote implements alertsv1.IncidentNotesServiceServer.
func (s *notesServer) CreateIncidentNote(ctx context.Context, in *alertsv1.CreateIncidentNoteRequest) (*alertsv1.IncidentNote, error) {
	text, err := noteText("text", in.GetText())
	if err != nil {
		return nil, err
	}
	p := caller(ctx)
	n := Note{OrganizationID: p.OrganizationID, IncidentID: in.GetIncidentId(), Text: text, Author: authorOf(p), CreatedAt: now()}
	n, err = s.store.CreateNote(ctx, n, func(n Note) (audit.Row, error) {
		return noteAudit(ctx, "create", n.ID, nil, noteProto(n, p))
	})
	if err != nil {
		return nil, err
	}
	answerCode(ctx, httpCreated)
	return noteProto(n, p), nil
}

// UpdateIncidentNote implements alertsv1.IncidentNotesServiceServer. A text that is what it was changes nothing.
func (s *notesServer) UpdateIncidentNote(ctx context.Context, in *alertsv1.UpdateIncidentNoteRequest) (*alertsv1.IncidentNote, error) {
	text, err := noteText("text", in.GetText())
	if err != nil {
		return nil, err
	}
	p := caller(ctx)
	n, err := s.store.UpdateNote(ctx, p.OrganizationID, in.GetIncidentId(), in.GetNoteId(), func(n *Note) (*audit.Row, error) {
		if err := n.changeableBy(p); err != nil || n.Text == text {
			return nil, err
		}
		before := noteProto(*n, p)
		n.Text, n.EditedAt = text, now()
		row, err := noteAudit(ctx, "update", n.ID, before, noteProto(*n, p))
		return &row, err
	})
	if err != nil {
		return nil, err
	}
	return noteProto(n, p), nil
}

// DeleteIncidentNote implements alertsv1.IncidentNotesServiceServer.
func (s *notesServer) DeleteIncidentNote(ctx context.Context, in *alertsv1.DeleteIncidentNoteRequest) (*emptypb.Empty, error) {
	p := caller(ctx)
	err := s.store.DeleteNote(ctx, p.OrganizationID, in.GetIncidentId(), in.GetNoteId(), func(n Note) (audit.Row, error) {
		if err := n.changeableBy(p); err != nil {
			return audit.Row{}, err
		}
		return noteAudit(ctx, "delete", n.ID, noteProto(n, p), nil)
	})
	if err != nil {
		return nil, err
	}
	answerCode(ctx, httpNoContent)
	return &emptypb.Empty{}, nil
}

// noteAudit is the row of a change of a note; who asks is nothing that the log should keep as the note's.
func noteAudit(ctx context.Context, verb string, id uint32, before, after *alertsv1.IncidentNote) (audit.Row, error) {
	row := audit.New(ctx, "incident_note."+verb, "incident_note", number(id))
	sides := [2]any{}
	for i, n := range []*alertsv1.IncidentNote{before, after} {
		if n != nil {
			n.Mine, sides[i] = false, n
		}
	}
	return row.Change(sides[0], sides[1])
}

func noteProto(n Note, reader identity.Principal) *alertsv1.IncidentNote {
	return &alertsv1.IncidentNote{
		Id: n.ID, IncidentId: n.IncidentID, Text: n.Text, Author: n.Author.shown(), CreatedAt: stamp(n.CreatedAt),
		EditedAt: stamp(n.EditedAt), Mine: n.writtenBy(reader),
	}
}

// shown is how an author is called, as actors of incidents are.
func (a Author) shown() string {
	if a.Name != "" {
		return a.Name
	}
	return a.ID
}
