package alerts_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	accessv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/access/v1"
	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/alerts"
	"github.com/frogstats/uptime/services/alerts/notify"
	"github.com/frogstats/uptime/services/alerts/sqlite"
)

const orgB = "org-b"

// world is the alerts service on a real store and real connections, with the two other services in memory.
type world struct {
	t         *testing.T
	path      string // of the database, if the world has one of its own
	connect   func() (closable, error)
	shared    bool // other replicas work with the same store
	flapping  alerts.Flapping
	shoutrrr  notify.ShoutrrrSender
	store     closable
	box       *secret.Box
	logs      *logs
	events    *fakeEvents
	monitors  *fakeMonitors
	service   *alerts.Service
	conn      *grpc.ClientConn
	alerts    alertsv1.AlertsServiceClient
	channels  alertsv1.ChannelsServiceClient
	incidents alertsv1.IncidentsServiceClient
	audit     auditv1.AuditServiceClient
	wrap      func(alerts.Store) alerts.Store
	send      func(context.Context, alerts.Claim, time.Time) alerts.Result // nil sends over the network
	stop      func()
}

// closable is a store that can be opened anew.
type closable interface {
	alerts.Store
	Close() error
}

// newWorld makes the service without running it.
func newWorld(t *testing.T) *world {
	t.Helper()
	box, err := secret.Generate()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, path: newStorePath(t), box: box, logs: &logs{}, events: newFakeEvents(), monitors: newFakeMonitors(),
		wrap: func(s alerts.Store) alerts.Store { return twice{s} },
	}
	w.connect = func() (closable, error) { return sqlite.Open(t.Context(), w.path) }
	w.open()
	return w
}

func policy() rpctest.Option { return rpctest.Policy(rpc.PolicyByOption(accessv1.E_Access)) }

func asAlerts(c *rpc.ClientConfig) { c.Service = "alerts" }

func (w *world) log() *slog.Logger { return slog.New(slog.NewJSONHandler(w.logs, nil)) }

// open makes the store and the service, with connections of their own to the other services.
func (w *world) open() {
	w.t.Helper()
	store, err := w.connect()
	if err != nil {
		w.t.Fatal(err)
	}
	w.store = store
	w.t.Cleanup(func() {
		if err := store.Close(); err != nil {
			w.t.Error(err)
		}
	})
	w.service, err = alerts.New(alerts.Deps{
		Store: w.wrap(store), Log: w.log(), Secrets: w.box, PageKey: w.box.Derive("page"),
		Events:   rpctest.Conn(w.t, "events", w.events.register, policy(), rpctest.Client(asAlerts)),
		Monitors: rpctest.Conn(w.t, "monitors", w.monitors.register, policy(), rpctest.Client(asAlerts)),
		Egress:   egress.Policy{Mode: egress.Private},
		Shared:   w.shared,
		Flapping: w.flapping,
		Shoutrrr: w.shoutrrr,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.send != nil {
		w.service.SendThrough(w.send)
	}
	w.conn = rpctest.Conn(w.t, "alerts", w.service.Register, policy(), rpctest.Log(w.log()),
		rpctest.Server(func(c *rpc.Config) { c.FieldName = rpc.TrimBody }))
	w.alerts, w.channels = alertsv1.NewAlertsServiceClient(w.conn), alertsv1.NewChannelsServiceClient(w.conn)
	w.incidents, w.audit = alertsv1.NewIncidentsServiceClient(w.conn), auditv1.NewAuditServiceClient(w.conn)
}

// run runs the service until the test ends or w.stop is called.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.service.Run(ctx); err != nil {
			w.t.Errorf("run: %v", err)
		}
	}()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			<-done
		})
	}
	w.t.Cleanup(w.stop)
}

func editor(t *testing.T) context.Context {
	return rpctest.AsUser(t.Context(), orgA, identity.RoleEditor)
}

func admin(t *testing.T) context.Context {
	return rpctest.AsUser(t.Context(), orgA, identity.RoleAdmin)
}

func stranger(t *testing.T) context.Context {
	return rpctest.AsUser(t.Context(), orgB, identity.RoleAdmin)
}

// eventually polls until ok holds; what says what was waited for.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatalf("%s did not come true", what)
		}
	}
}

// logs collects what is logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// received is a message as a receiver got it.
type received struct {
	header http.Header
	body   []byte
}

// receiver is somebody's webhook.
type receiver struct {
	url string

	mu     sync.Mutex
	got    []received
	status func(n int) int
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{status: func(int) int { return http.StatusNoContent }}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Errorf("read message: %v", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, received{req.Header.Clone(), body})
		w.WriteHeader(r.status(len(r.got)))
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL + "/hook"
	return r
}

// answer sets what the n-th message is answered, from 1.
func (r *receiver) answer(status func(n int) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// swap puts another rule's configuration into a rule, as somebody with the file in hands could.
func (w *world) swap(id uint32, c alerts.Config) error {
	_, err := w.store.UpdateRule(w.t.Context(), orgA, 7, id, time.Now(), func(r *alerts.Rule) (audit.Row, error) {
		r.Config = c
		return audit.New(w.t.Context(), "alert.update", "alert", "1"), nil
	})
	return err
}
