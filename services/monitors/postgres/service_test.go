package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	accessv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/access/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/monitors"
)

// replica is the service on a store of its own.
type replica struct {
	monitors monitorsv1.MonitorsServiceClient
	audit    auditv1.AuditServiceClient
}

func serve(t *testing.T, dsn string, box *secret.Box) replica {
	t.Helper()
	var r replica
	service, err := monitors.New(monitors.Deps{
		Store: openAt(t, dsn), Log: slog.New(slog.DiscardHandler), Secrets: box, PageKey: box.Derive("monitors pages"),
	})
	if err != nil {
		t.Fatal(err)
	}
	conn := rpctest.Conn(t, "monitors", service.Register, rpctest.Policy(rpc.PolicyByOption(accessv1.E_Access)))
	r.monitors, r.audit = monitorsv1.NewMonitorsServiceClient(conn), auditv1.NewAuditServiceClient(conn)
	return r
}

func newBox(t *testing.T) *secret.Box {
	t.Helper()
	box, err := secret.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func admin(t *testing.T, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(rpctest.AsUser(t.Context(), "org", identity.RoleAdmin), pairs...)
}

// webMonitor has a secret, and a body with a character that JSONB does not hold.
func webMonitor() *monitorsv1.Monitor {
	return &monitorsv1.Monitor{
		Name: new("web"), MonitorType: new(checkv1.MonitorType_MONITOR_TYPE_HTTP), IntervalSeconds: new(int32(30)),
		HttpConfig: &checkv1.HttpConfig{
			Url: new("https://example.com/"), Method: new("POST"), Body: new("a\x00b"),
			Headers: map[string]string{"X-Api-Token": "canary"},
		},
	}
}

// Two replicas get one request at once, several times over: one of them carries it out, and all answers are the same.
func TestIdempotencyAcrossReplicas(t *testing.T) {
	dsn, box := postgrestest.DSN(t), newBox(t)
	replicas := []replica{serve(t, dsn, box), serve(t, dsn, box)}
	for round := range 5 {
		const requests = 6
		answers := make([]*monitorsv1.Monitor, requests)
		var wg sync.WaitGroup
		for i := range requests {
			wg.Go(func() {
				var err error
				ctx := admin(t, "idempotency-key", fmt.Sprint("key-", round))
				answers[i], err = replicas[i%2].monitors.CreateMonitor(ctx, &monitorsv1.CreateMonitorRequest{Monitor: webMonitor()})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, a := range answers[1:] {
			if !proto.Equal(a, answers[0]) {
				t.Fatalf("two answers to one request:\n%v\n%v", a, answers[0])
			}
		}
		list, err := replicas[round%2].monitors.ListMonitors(admin(t), &monitorsv1.ListMonitorsRequest{})
		if err != nil || len(list.GetMonitors()) != round+1 {
			t.Fatalf("%d monitors after %d requests, %v", len(list.GetMonitors()), round+1, err)
		}
	}
	got, err := replicas[0].monitors.GetMonitor(admin(t), &monitorsv1.GetMonitorRequest{Id: 1})
	if err != nil || got.GetHttpConfig().GetBody() != "a\x00b" {
		t.Errorf("body %q, %v", got.GetHttpConfig().GetBody(), err)
	}
}

// calls are one of each kind that a user may make.
func calls(t *testing.T, r replica) map[string]func() error {
	return map[string]func() error{
		"list": func() error {
			_, err := r.monitors.ListMonitors(admin(t), &monitorsv1.ListMonitorsRequest{})
			return err
		},
		"get": func() error {
			_, err := r.monitors.GetMonitor(admin(t), &monitorsv1.GetMonitorRequest{Id: 1})
			return err
		},
		"create": func() error {
			_, err := r.monitors.CreateMonitor(admin(t), &monitorsv1.CreateMonitorRequest{Monitor: webMonitor()})
			return err
		},
		"create with a key": func() error {
			ctx := admin(t, "idempotency-key", "k")
			_, err := r.monitors.CreateMonitor(ctx, &monitorsv1.CreateMonitorRequest{Monitor: webMonitor()})
			return err
		},
		"delete": func() error {
			_, err := r.monitors.DeleteMonitor(admin(t), &monitorsv1.DeleteMonitorRequest{Id: 1})
			return err
		},
		"regions": func() error {
			_, err := r.monitors.ListRegions(admin(t), &monitorsv1.ListRegionsRequest{})
			return err
		},
		"probers": func() error {
			_, err := r.monitors.ListProbers(admin(t), &monitorsv1.ListProbersRequest{})
			return err
		},
		"audit log": func() error {
			_, err := r.audit.ListAuditEntries(admin(t), &auditv1.ListAuditEntriesRequest{})
			return err
		},
	}
}

// A database that goes away and comes back: meanwhile all is refused, in our words, and afterwards all is as before.
func TestDatabaseAway(t *testing.T) {
	server := postgrestest.Start(t)
	r := serve(t, server.DSN(), newBox(t))
	create := calls(t, r)["create"]
	for range 2 {
		if err := create(); err != nil {
			t.Fatal(err)
		}
	}
	for name, end := range map[string]func(){"killed": server.Kill, "stopped": server.Stop} {
		end()
		for call, do := range calls(t, r) {
			st := status.Convert(do())
			if st.Code() != codes.Unavailable || st.Message() != "temporarily unavailable" {
				t.Errorf("%s, %s: %v %q, want unavailable in our own words", name, call, st.Code(), st.Message())
			}
			if details := fmt.Sprint(st.Details()...); strings.Contains(details, "SQLSTATE") || strings.Contains(details, "connect") {
				t.Errorf("%s, %s: details %s", name, call, details)
			}
		}
		server.Start()
		recovers(t, r)
	}
	list, err := r.monitors.ListMonitors(admin(t), &monitorsv1.ListMonitorsRequest{})
	if err != nil || len(list.GetMonitors()) != 2 {
		t.Errorf("%d monitors, %v, want those from before", len(list.GetMonitors()), err)
	}
}

// recovers asks as long as there may be a connection left that has not noticed; there are not more than the pool has.
func recovers(t *testing.T, r replica) {
	t.Helper()
	var err error
	for range 20 {
		if _, err = r.monitors.ListMonitors(admin(t), &monitorsv1.ListMonitorsRequest{}); err == nil {
			return
		}
		if status.Code(err) != codes.Unavailable {
			break
		}
	}
	t.Fatalf("it does not recover: %v", err)
}

// A commit whose answer is lost may have happened. It must not be answered as "unavailable", which says that it has not and
// invites the client to make the change again.
func TestLostAnswerToACommit(t *testing.T) {
	dsn := postgrestest.DSN(t)
	road := postgrestest.NewRoad(t, dsn)
	s := openAt(t, road.DSN())
	insert(t, s, tcp("org", "before"))
	road.LoseCommits()
	err := s.Write(t.Context(), func(tx monitors.Tx) error {
		_, err := tx.Insert(t.Context(), tcp("org", "lost"))
		return err
	})
	if !fault.Is(err, fault.KindInternal) {
		t.Errorf("got %v, want internal", err)
	}
	if err := errors.Join(s.Close()); err != nil {
		t.Error(err)
	}
	ms, err := openAt(t, dsn).Monitors(t.Context(), monitors.Filter{OrganizationID: "org", Limit: 10})
	if err != nil || len(ms) != 2 {
		t.Errorf("%d monitors, %v; the test wants a commit that happened", len(ms), err)
	}
}
