package audit

import (
	"google.golang.org/grpc/health/grpc_health_v1"

	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/requestid"
	"github.com/frogstats/uptime/internal/secret"
)

func TestNewNamesTheActor(t *testing.T) {
	p := identity.Principal{
		Kind: identity.KindAPIKey, UserID: "u", KeyID: "k", OrganizationID: "o", Role: identity.RoleAdmin, Name: "deploy", RemoteIP: "192.0.2.1",
	}
	ctx := requestid.NewContext(identity.NewContext(context.Background(), p), "req-1")
	got := New(ctx, "monitor.update", "monitor", "7")
	id, at := got.ID, got.At
	got.ID, got.At = "", time.Time{}
	want := Row{
		OrganizationID: "o", ActorKind: "api_key", ActorID: "k", ActorName: "deploy", IP: "192.0.2.1",
		Action: "monitor.update", ObjectKind: "monitor", ObjectID: "7", RequestID: "req-1",
	}
	if a, b := asJSON(t, got), asJSON(t, want); a != b {
		t.Errorf("row %s, want %s", a, b)
	}
	if len(id) != 36 || at.Location() != time.UTC || at != at.Truncate(time.Millisecond) || time.Since(at) > time.Minute {
		t.Errorf("id %q, at %v", id, at)
	}
	if nobody := New(context.Background(), "user.login", "user", ""); nobody.ActorKind != "" || nobody.ActorID != "" {
		t.Errorf("row of nobody %+v", nobody)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestChangeHidesSecrets(t *testing.T) {
	const canary = "canary-7f3a"
	type auth struct {
		Type        string         `json:"type"`
		Credentials map[string]any `json:"credentials"`
		Has         bool           `json:"has_credentials"`
		Hidden      secret.String  `json:"hidden"`
	}
	type monitor struct {
		ID      uint64              `json:"id"`
		Name    string              `json:"name"`
		Auth    *auth               `json:"auth"`
		Headers []map[string]string `json:"headers"`
		Token   *string             `json:"token"`
		PIN     struct {
			Password int `json:"password"`
		} `json:"pin"`
	}
	m := monitor{
		ID: 1<<63 + 1, Name: "api",
		Auth:    &auth{Type: "basic", Credentials: map[string]any{"user": canary}, Has: true, Hidden: secret.New(canary)},
		Headers: []map[string]string{{"X-Api-Key": canary, "Accept": "text/html"}},
	}
	m.PIN.Password = 734

	row, err := Row{Action: "monitor.update"}.Change(m, &m)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"auth":{"credentials":"***","has_credentials":true,"hidden":"***","type":"basic"},` +
		`"headers":[{"Accept":"text/html","X-Api-Key":"***"}],"id":9223372036854775809,"name":"api","pin":{"password":"***"},"token":null}`
	for _, got := range []string{string(row.Before), string(row.After)} {
		if got != want {
			t.Errorf("snapshot\n%s, want\n%s", got, want)
		}
	}
}

// Enums read as they do over REST, and absent fields are there.
func TestSnapshotOfMessage(t *testing.T) {
	got, err := Snapshot(&grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_NOT_SERVING})
	if want := `{"status":"not_serving"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	got, err = Snapshot(&grpc_health_v1.HealthCheckResponse{})
	if want := `{"status":null}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	var none *grpc_health_v1.HealthCheckResponse
	if got, err := Snapshot(none); got != nil || err != nil {
		t.Errorf("a nil message is %s, %v", got, err)
	}
}

func TestSnapshots(t *testing.T) {
	if row, err := (Row{}).Change(nil, (*Row)(nil)); err != nil || row.Before != nil || row.After != nil {
		t.Errorf("of nothing: %+v, %v", row, err)
	}
	st, err := structpb.NewStruct(map[string]any{"client_secret": "canary", "name": "x"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Snapshot(st); err != nil || string(got) != `{"client_secret":"***","name":"x"}` {
		t.Errorf("of a protobuf: %s, %v", got, err)
	}
	_, err = Row{Action: "x"}.Change(nil, make(chan int))
	if err == nil || !strings.Contains(err.Error(), "after") {
		t.Errorf("of a channel: %v", err)
	}
}
