package alerts

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

// The bounds of notes.
const (
	MaxNoteRunes        = 10_000
	MaxNotesPerIncident = 500
)

// Note is what somebody wrote about an incident.
type Note struct {
	ID             uint32
	OrganizationID string
	IncidentID     uint32
	Text           string
	Author         Author
	CreatedAt      time.Time
	EditedAt       time.Time // zero if its text was never changed
}

// Author is who wrote a note. The name is as it was then.
type Author struct {
	Kind identity.Kind
	ID   string
	Name string
}

// Handling is what comes of handling an incident, beside the incident itself.
type Handling struct {
	Audit  *audit.Row                    // nil if nothing of the incident has changed
	Note   *Note                         // to be written about the incident; nil for none
	Record func(Note) (audit.Row, error) // of the note, once it has its id
}

// The faults of notes.
var (
	ErrNoteNotFound = fault.NotFound("note not found")
	ErrTooManyNotes = fault.Exhausted("the incident has as many notes as it may have").Because("LIMIT_REACHED")

	errNotesAuthor = fault.Denied("only who wrote the note, or an admin, may change it").Because("NOT_THE_AUTHOR")
)

func authorOf(p identity.Principal) Author {
	return Author{Kind: p.Kind, ID: p.ActorID(), Name: p.Name}
}

// changeableBy says why p may not change the note; nil if it may.
func (n Note) changeableBy(p identity.Principal) error {
	if n.writtenBy(p) || p.Role.AtLeast(identity.RoleAdmin) {
		return nil
	}
	return errNotesAuthor
}

func (n Note) writtenBy(p identity.Principal) bool {
	return n.Author.ID != "" && n.Author.Kind == p.Kind && n.Author.ID == p.ActorID()
}

// noteText is the text as it is stored, with line breaks of one kind, or what is wrong with the field of that name.
func noteText(field, text string) (string, error) {
	refuse := func(rule string) (string, error) {
		return "", fault.Invalid("", fault.Field{Name: field, Message: rule})
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return refuse("must be text without control characters but line breaks and tabs")
	}
	if n := utf8.RuneCountInString(text); n > MaxNoteRunes {
		return refuse("must have at most 10000 characters")
	}
	if !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }) {
		return refuse("must have a character that can be seen")
	}
	return text, nil
}
