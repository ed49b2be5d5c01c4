// Package audit is the shape of the record of who changed what. Every service keeps its own rows beside its own tables and
// writes them in the transaction of the change, so that neither exists without the other; because the shape is one, they
// can be merged by time.
package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/requestid"
	"github.com/frogstats/uptime/internal/secret"
)

// Row is one change. Its JSON has the names of the columns.
type Row struct {
	ID             string          `json:"id"` // UUIDv7
	At             time.Time       `json:"at"` // UTC, whole milliseconds
	OrganizationID string          `json:"organization_id"`
	ActorKind      string          `json:"actor_kind"` // as identity.Kind; "" for nobody
	ActorID        string          `json:"actor_id"`
	ActorName      string          `json:"actor_name"`
	IP             string          `json:"ip"`
	Action         string          `json:"action"` // "<object kind>.<verb>", e.g. "monitor.update"
	ObjectKind     string          `json:"object_kind"`
	ObjectID       string          `json:"object_id"`
	Before         json.RawMessage `json:"before"` // nil if it was created
	After          json.RawMessage `json:"after"`  // nil if it was deleted
	RequestID      string          `json:"request_id"`
}

// Storable is r with texts that every store holds and every message may carry: a change must not fail, nor be impossible to list,
// because of how somebody spells their name. What is no text is U+FFFD.
func (r Row) Storable() Row {
	for _, s := range []*string{&r.ActorKind, &r.ActorID, &r.ActorName, &r.IP, &r.Action, &r.ObjectKind, &r.ObjectID, &r.RequestID} {
		*s = strings.ReplaceAll(strings.ToValidUTF8(*s, "\uFFFD"), "\x00", "\uFFFD")
	}
	return r
}

// New starts a row: now, with a new id, by the principal of ctx, in its organization, under its request id.
func New(ctx context.Context, action, objectKind, objectID string) Row {
	p, _ := identity.FromContext(ctx)
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New() // panics without randomness, as everything else would by then
	}
	return Row{
		ID: id.String(), At: time.Now().UTC().Truncate(time.Millisecond), OrganizationID: p.OrganizationID,
		ActorKind: string(p.Kind), ActorID: p.ActorID(), ActorName: p.Name, IP: p.RemoteIP,
		Action: action, ObjectKind: objectKind, ObjectID: objectID, RequestID: requestid.FromContext(ctx),
	}
}

// Change returns r with snapshots of the object before and after. Either may be nil: created, or deleted.
func (r Row) Change(before, after any) (Row, error) {
	var err error
	if r.Before, err = Snapshot(before); err != nil {
		return r, fmt.Errorf("audit %s: before: %w", r.Action, err)
	}
	if r.After, err = Snapshot(after); err != nil {
		return r, fmt.Errorf("audit %s: after: %w", r.Action, err)
	}
	return r, nil
}

// Snapshot is v as JSON (a protobuf message under its proto names), in which everything that secret.Sensitive names is
// "***". A nil v gives nil.
func Snapshot(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	var raw []byte
	var err error
	if m, ok := v.(proto.Message); ok && m.ProtoReflect().IsValid() {
		if v, err = plain(m.ProtoReflect()); err != nil {
			return nil, fmt.Errorf("snapshot of %T: %w", m, err)
		}
	}
	raw, err = json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("snapshot of %T: %w", v, err)
	}
	return redact(raw)
}

func redact(raw []byte) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // a large id must come out as it went in
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	if v == nil { // a nil pointer
		return nil, nil
	}
	out, err := json.Marshal(hide(v))
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return out, nil
}

// hide replaces, in place, what stands under a sensitive name. What is true, false or null tells nothing and stays.
func hide(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			switch value.(type) {
			case bool, nil:
			default:
				if secret.Sensitive(name) {
					v[name] = secret.String{}.String()
					continue
				}
				v[name] = hide(value)
			}
		}
	case []any:
		for i := range v {
			v[i] = hide(v[i])
		}
	}
	return v
}

// Filter chooses rows to list. Zero fields choose all, except OrganizationID, which is required.
type Filter struct {
	OrganizationID string
	Since, Until   time.Time // half-open: Since ≤ at < Until
	ActorID        string
	Action         string
	ObjectKind     string
	ObjectID       string
	After          Cursor // list what follows this row
	Limit          int    // rows; required, positive
}

// Cursor is the place of a row in the list, newest first. The zero value is before the first.
type Cursor struct {
	At time.Time `json:"at"`
	ID string    `json:"id"`
}

// Cursor returns the place of r.
func (r Row) Cursor() Cursor { return Cursor{At: r.At, ID: r.ID} }
