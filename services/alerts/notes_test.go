package alerts_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/alerts"
)

// outage is a world in which monitor 7 is down, and the incident of that.
func outage(t *testing.T) (w *world, r *receiver, incident uint32) {
	t.Helper()
	w, r, _ = hooked(t)
	w.know(7)
	w.run()
	w.events.add(goes(7, 1, stateUp, stateDown))
	w.settled()
	list, err := w.incidents.ListIncidents(editor(t), &alertsv1.ListIncidentsRequest{})
	if err != nil || len(list.GetIncidents()) != 1 {
		t.Fatalf("incidents = %v, %v", list, err)
	}
	return w, r, list.GetIncidents()[0].GetId()
}

func (w *world) notes() alertsv1.IncidentNotesServiceClient {
	return alertsv1.NewIncidentNotesServiceClient(w.conn)
}

// texts are the notes of the incident.
func (w *world) texts(incident uint32) (out []string) {
	w.t.Helper()
	list, err := w.notes().ListIncidentNotes(viewer(w.t), &alertsv1.ListIncidentNotesRequest{IncidentId: incident})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range list.GetNotes() {
		out = append(out, n.GetText())
	}
	return out
}

func viewer(t *testing.T) context.Context {
	return rpctest.AsUser(t.Context(), orgA, identity.RoleViewer)
}

// colleague is another user of the same organization.
func colleague(t *testing.T, role identity.Role) context.Context {
	return identity.NewContext(t.Context(), identity.Principal{
		Kind: identity.KindUser, UserID: "0192f3c4-0000-7000-8000-00000000000b", OrganizationID: orgA, Role: role, SessionID: "session-2", Name: "bob@example.com",
	})
}

func TestNotes(t *testing.T) {
	w, _, incident := outage(t)
	var header metadata.MD
	n, err := w.notes().CreateIncidentNote(editor(t), &alertsv1.CreateIncidentNoteRequest{IncidentId: incident, Text: "looking\r\n\tinto it"}, grpc.Header(&header))
	if err != nil {
		t.Fatal(err)
	}
	if n.GetText() != "looking\n\tinto it" || n.GetAuthor() != "user@example.com" || !n.GetMine() || n.GetCreatedAt() == nil || n.GetEditedAt() != nil ||
		n.GetIncidentId() != incident || !slices.Equal(header.Get("x-http-code"), []string{"201"}) {
		t.Errorf("note = %v, %v", n, header)
	}
	edit := func(ctx context.Context, text string) error {
		_, err := w.notes().UpdateIncidentNote(ctx, &alertsv1.UpdateIncidentNoteRequest{IncidentId: incident, NoteId: n.GetId(), Text: text})
		return err
	}
	drop := func(ctx context.Context) error {
		_, err := w.notes().DeleteIncidentNote(ctx, &alertsv1.DeleteIncidentNoteRequest{IncidentId: incident, NoteId: n.GetId()})
		return err
	}
	// A colleague sees it, and may not touch it; an admin may.
	list, err := w.notes().ListIncidentNotes(colleague(t, identity.RoleEditor), &alertsv1.ListIncidentNotesRequest{IncidentId: incident})
	if err != nil || len(list.GetNotes()) != 1 || list.GetNotes()[0].GetMine() {
		t.Errorf("a colleague sees %v, %v", list, err)
	}
	for what, err := range map[string]error{"edits": edit(colleague(t, identity.RoleEditor), "x"), "deletes": drop(colleague(t, identity.RoleEditor))} {
		if status.Code(err) != codes.PermissionDenied || fault.FromStatus(status.Convert(err)).Reason != "NOT_THE_AUTHOR" {
			t.Errorf("a colleague %s: %v", what, err)
		}
	}
	// The same user's key is another author.
	wantCode(t, edit(rpctest.AsKey(t.Context(), orgA, identity.RoleEditor), "x"), codes.PermissionDenied)
	for _, ctx := range []context.Context{editor(t), colleague(t, identity.RoleAdmin)} {
		if err := edit(ctx, "found it"); err != nil {
			t.Error(err)
		}
	}
	got, err := w.notes().ListIncidentNotes(editor(t), &alertsv1.ListIncidentNotesRequest{IncidentId: incident})
	if err != nil || len(got.GetNotes()) != 1 || got.GetNotes()[0].GetText() != "found it" || got.GetNotes()[0].GetEditedAt() == nil || got.GetNotes()[0].GetAuthor() != "user@example.com" {
		t.Errorf("edited: %v, %v", got, err)
	}
	for name, call := range map[string]func(context.Context) error{"edits": func(ctx context.Context) error { return edit(ctx, "x") }, "deletes": drop} {
		if err := call(stranger(t)); status.Code(err) != codes.NotFound {
			t.Errorf("a stranger %s: %v", name, err)
		}
	}
	_, err = w.notes().ListIncidentNotes(stranger(t), &alertsv1.ListIncidentNotesRequest{IncidentId: incident})
	wantCode(t, err, codes.NotFound)
	_, err = w.notes().CreateIncidentNote(stranger(t), &alertsv1.CreateIncidentNoteRequest{IncidentId: incident, Text: "x"})
	wantCode(t, err, codes.NotFound)
	if err := drop(colleague(t, identity.RoleOwner)); err != nil {
		t.Error(err)
	}
	wantCode(t, drop(editor(t)), codes.NotFound)
	wantNoteAudit(t, w, n.GetId())
}

// wantNoteAudit checks that all that was done to the note stands in the audit log, once: what it said, and not who asked.
func wantNoteAudit(t *testing.T, w *world, id uint32) {
	t.Helper()
	entries, err := w.audit.ListAuditEntries(admin(t), &auditv1.ListAuditEntriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries.GetEntries() {
		if e.GetObjectKind() != "incident_note" {
			continue
		}
		before, _ := json.Marshal(e.GetBefore().AsInterface())
		after, _ := json.Marshal(e.GetAfter().AsInterface())
		text := func(raw []byte) string {
			var n struct{ Text string }
			_ = json.Unmarshal(raw, &n)
			return n.Text
		}
		if strings.Contains(string(before)+string(after), `"mine":true`) {
			t.Errorf("audited with its reader: %s %s", before, after)
		}
		got = append(got, e.GetAction()+" "+e.GetActorName()+": "+text(before)+" > "+text(after))
	}
	want := []string{
		"incident_note.delete bob@example.com: found it > ", "incident_note.update user@example.com: looking\n\tinto it > found it",
		"incident_note.create user@example.com:  > looking\n\tinto it",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit of note %d (-want +got):\n%s", id, diff)
	}
}

func TestNotesRefused(t *testing.T) {
	w, _, incident := outage(t)
	for name, text := range map[string]string{
		"empty": "", "blank": " \n\t\u00a0", "too long": strings.Repeat("ä", alerts.MaxNoteRunes+1), "a bell": "ding\a", "NUL": "a\x00b", "escape": "\x1b[31mred",
		"C1": "a\u0085b", "only what cannot be seen": "\u200b\u200d",
	} {
		_, err := w.notes().CreateIncidentNote(editor(t), &alertsv1.CreateIncidentNoteRequest{IncidentId: incident, Text: text})
		if diff := cmp.Diff([]string{"text"}, fields(t, err)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		_, err = w.incidents.AcknowledgeIncident(editor(t), &alertsv1.AcknowledgeIncidentRequest{Id: incident, Note: &text})
		if diff := cmp.Diff([]string{"note"}, fields(t, err)); diff != "" {
			t.Errorf("%s, with an acknowledgement: %s", name, diff)
		}
	}
	if got, err := w.incidents.GetIncident(editor(t), &alertsv1.GetIncidentRequest{Id: incident}); err != nil || got.AcknowledgedBy != nil {
		t.Errorf("acknowledged in spite of the note: %v, %v", got, err)
	}
	longest := strings.Repeat("🐸", alerts.MaxNoteRunes)
	if _, err := w.notes().CreateIncidentNote(editor(t), &alertsv1.CreateIncidentNoteRequest{IncidentId: incident, Text: longest}); err != nil {
		t.Errorf("the longest: %v", err)
	}
	_, err := w.notes().CreateIncidentNote(editor(t), &alertsv1.CreateIncidentNoteRequest{IncidentId: 99, Text: "x"})
	wantCode(t, err, codes.NotFound)
	_, err = w.notes().CreateIncidentNote(viewer(t), &alertsv1.CreateIncidentNoteRequest{IncidentId: incident, Text: "x"})
	wantCode(t, err, codes.PermissionDenied)
	if diff := cmp.Diff([]string{longest}, w.texts(incident)); diff != "" {
		t.Error("notes differ")
	}
}

// A note is written with what is done, or not if that is refused.
func TestNotesOfHandling(t *testing.T) {
	w, _, incident := outage(t)
	for range 2 { // taken already: the note counts all the same
		if _, err := w.incidents.AcknowledgeIncident(editor(t), &alertsv1.AcknowledgeIncidentRequest{Id: incident, Note: proto.String("mine")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.incidents.ResolveIncident(editor(t), &alertsv1.ResolveIncidentRequest{Id: incident, Note: proto.String("switched over")}); err != nil {
		t.Fatal(err)
	}
	_, err := w.incidents.ResolveIncident(editor(t), &alertsv1.ResolveIncidentRequest{Id: incident, Note: proto.String("again")})
	wantCode(t, err, codes.FailedPrecondition)
	if _, err := w.notes().CreateIncidentNote(editor(t), &alertsv1.CreateIncidentNoteRequest{IncidentId: incident, Text: "afterwards"}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"mine", "mine", "switched over", "afterwards"}, w.texts(incident)); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}
