package app

import (
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/frogstats/uptime/cmd/frogup/config"
	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/datadir"
	"github.com/frogstats/uptime/internal/postgres"
	"github.com/frogstats/uptime/services/accounts"
	accountspostgres "github.com/frogstats/uptime/services/accounts/postgres"
	accountssqlite "github.com/frogstats/uptime/services/accounts/sqlite"
	"github.com/frogstats/uptime/services/alerts"
	alertspostgres "github.com/frogstats/uptime/services/alerts/postgres"
	alertssqlite "github.com/frogstats/uptime/services/alerts/sqlite"
	"github.com/frogstats/uptime/services/events"
	eventsclickhouse "github.com/frogstats/uptime/services/events/clickhouse"
	eventspostgres "github.com/frogstats/uptime/services/events/postgres"
	eventssqlite "github.com/frogstats/uptime/services/events/sqlite"
	"github.com/frogstats/uptime/services/monitors"
	monitorspostgres "github.com/frogstats/uptime/services/monitors/postgres"
	monitorssqlite "github.com/frogstats/uptime/services/monitors/sqlite"
)

// A store is named by an address whose scheme says which engine keeps it. What opens one knows the house for its settings
// and log only.
type opener[S any] func(ctx context.Context, h *house, address string) (S, error)

type (
	accountsStore interface {
		accounts.Store
		io.Closer
	}
	monitorsStore interface {
		monitors.Store
		io.Closer
	}
	alertsStore interface {
		alerts.Store
		io.Closer
	}
	eventsState interface {
		events.StateStore
		events.EvidenceStore
		io.Closer
	}
	eventsHistory interface {
		events.ResultStore
		io.Closer
	}
)

// The engines by scheme.
var (
	accountsStores = map[string]opener[accountsStore]{
		"sqlite": func(ctx context.Context, _ *house, address string) (accountsStore, error) {
			return accountssqlite.Open(ctx, sqlitePath(address))
		},
		"postgres": openAccounts, "postgresql": openAccounts,
	}
	monitorsStores = map[string]opener[monitorsStore]{
		"sqlite": func(ctx context.Context, _ *house, address string) (monitorsStore, error) {
			return monitorssqlite.Open(ctx, sqlitePath(address))
		},
		"postgres": openMonitors, "postgresql": openMonitors,
	}
	alertsStores = map[string]opener[alertsStore]{
		"sqlite": func(ctx context.Context, _ *house, address string) (alertsStore, error) {
			return alertssqlite.Open(ctx, sqlitePath(address))
		},
		"postgres": openAlerts, "postgresql": openAlerts,
	}
	stateStores = map[string]opener[eventsState]{
		"sqlite": func(ctx context.Context, _ *house, address string) (eventsState, error) {
			return eventssqlite.OpenState(ctx, sqlitePath(address))
		},
		"postgres": openState, "postgresql": openState,
	}
	historyStores = map[string]opener[eventsHistory]{
		"sqlite": func(ctx context.Context, h *house, address string) (eventsHistory, error) {
			return eventssqlite.OpenHistory(ctx, sqlitePath(address), eventssqlite.HistoryOptions{Log: h.logOf("events")})
		},
		"clickhouse": openResults, "http": openResults, "https": openResults,
	}
)

func openAccounts(ctx context.Context, _ *house, address string) (accountsStore, error) {
	return accountspostgres.Open(ctx, address)
}

func openMonitors(ctx context.Context, _ *house, address string) (monitorsStore, error) {
	return monitorspostgres.Open(ctx, address)
}

func openAlerts(ctx context.Context, _ *house, address string) (alertsStore, error) {
	return alertspostgres.Open(ctx, address)
}

func openState(ctx context.Context, h *house, address string) (eventsState, error) {
	return eventspostgres.OpenState(ctx, address, eventspostgres.StateOptions{Log: h.logOf("events")})
}

func openResults(ctx context.Context, h *house, address string) (eventsHistory, error) {
	// Judging does not wait for the history, so neither does a start.
	return eventsclickhouse.OpenLate(ctx, address, eventsclickhouse.Options{
		Cluster: h.cfg.clickhouseCluster, Retention: h.cfg.retention, LowMemory: h.cfg.lowMemory, Log: h.logOf("events"),
	})
}

func schemesOf[S any](engines map[string]opener[S]) []string {
	var out []string
	for scheme := range engines {
		out = append(out, scheme)
	}
	slices.Sort(out)
	return out
}

// databaseSchemes are those of a role's --database. In serve it is one address for all services, which a file cannot be.
func databaseSchemes(role string) []string {
	switch role {
	case "accounts":
		return schemesOf(accountsStores)
	case "monitors":
		return schemesOf(monitorsStores)
	case "alerts":
		return schemesOf(alertsStores)
	case "events":
		return schemesOf(stateStores)
	}
	return slices.DeleteFunc(schemesOf(stateStores), func(scheme string) bool { return scheme == "sqlite" })
}

// sqlitePath is the path in sqlite:path, which may also be written sqlite://path.
func sqlitePath(address string) string {
	path := strings.TrimPrefix(address, "sqlite:")
	if after, ok := strings.CutPrefix(path, "//"); ok {
		path = after
	}
	return filepath.Clean(path)
}

// at is where a service keeps its data: the address that was given, or a file in the data folder.
func (h *house) at(given, file string) string {
	if given != "" {
		return given
	}
	return "sqlite:" + h.dir.Join(file)
}

// isShared reports whether other processes may work with the store at an address. A file has one owner.
func isShared(address string) bool { return !strings.HasPrefix(address, "sqlite:") }

// passes reports whether a store that could not be opened may be opened later although nobody changes anything: its server
// does not answer yet, or has no room. A wrong password will be as wrong in a minute.
func passes(scheme string, err error) bool {
	if strings.HasPrefix(scheme, "postgres") {
		return postgres.IsOutage(err)
	}
	return clickhouse.IsOutage(err)
}

// openStore opens the store at address, and closes it with the process. A server that does not answer yet is waited for.
func openStore[S io.Closer](ctx context.Context, h *house, what, address string, engines map[string]opener[S]) (S, error) {
	var none S
	scheme, _, _ := strings.Cut(address, ":")
	open := engines[scheme]
	if open == nil {
		return none, fmt.Errorf("open %s: no engine for %s", what, config.MaskDSN(address))
	}
	if scheme == "sqlite" {
		if err := h.lock(filepath.Dir(sqlitePath(address))); err != nil {
			return none, err
		}
		store, err := open(ctx, h, address)
		if err != nil {
			return none, err
		}
		h.closes(what, store)
		return store, nil
	}
	store, err := backoff.Retry(ctx, func() (S, error) {
		store, err := open(ctx, h, address)
		if err != nil && !passes(scheme, err) {
			err = backoff.Permanent(err)
		}
		return store, err
	},
		backoff.WithBackOff(&backoff.ExponentialBackOff{
			InitialInterval: 250 * time.Millisecond, RandomizationFactor: 0.2, Multiplier: 2, MaxInterval: 5 * time.Second,
		}),
		backoff.WithMaxElapsedTime(h.cfg.startupTimeout),
		backoff.WithNotify(func(err error, pause time.Duration) {
			h.log.Warn("store cannot be opened yet", "store", what, "address", config.MaskDSN(address),
				"error", err.Error(), "again_in", pause.Round(time.Millisecond).String())
		}))
	if err != nil {
		return none, fmt.Errorf("%s at %s: %w", what, config.MaskDSN(address), err)
	}
	h.closes(what, store)
	return store, nil
}

// lock makes sure that no other process uses a folder with SQLite files.
func (h *house) lock(folder string) error {
	if h.locked[folder] || h.dir != nil && h.dir.Path() == folder {
		return nil
	}
	dir, err := datadir.Open(folder)
	if err != nil {
		return err
	}
	h.locked[folder] = true
	h.group.Defer("folder "+folder, func(context.Context) error { return dir.Close() })
	return nil
}

// closes adds a store's Close to the end of the process.
func (h *house) closes(name string, store io.Closer) {
	h.group.Defer(name, func(context.Context) error { return store.Close() })
}

// pingable is a store that knows a cheaper way of finding out whether its server answers.
type pingable interface {
	Ping(ctx context.Context) error
}

// watchStore adds a store to what a service's readiness depends on; read is a question that costs next to nothing.
func (h *house) watchStore(service string, store any, read func(context.Context) error) {
	if p, ok := store.(pingable); ok {
		read = p.Ping
	}
	h.ready.add(service, read)
}

func (h *house) watchAccounts(store accountsStore) {
	h.watchStore("accounts", store, func(ctx context.Context) error {
		_, err := store.AnyUser(ctx)
		return err
	})
}

func (h *house) watchMonitors(store monitorsStore) {
	h.watchStore("monitors", store, func(ctx context.Context) error {
		_, err := store.Changes(ctx, math.MaxInt64, 1)
		return err
	})
}

func (h *house) watchAlerts(store alertsStore) {
	h.watchStore("alerts", store, func(ctx context.Context) error {
		_, err := store.Progress(ctx)
		return err
	})
}

// watchHistory shows whether results are stored and the history's server answers. Nothing depends on it: while it is away,
// judging and announcing go on, and probers keep their results.
func (h *house) watchHistory(s *events.Service, store eventsHistory) {
	h.ready.spare("events history", func(ctx context.Context) error {
		if err := s.History(ctx); err != nil {
			return err
		}
		if p, ok := store.(pingable); ok {
			return p.Ping(ctx)
		}
		return nil
	})
}

// watchState leaves the history out; see watchHistory.
func (h *house) watchState(store eventsState) {
	h.watchStore("events", store, func(ctx context.Context) error {
		_, err := store.Statuses(ctx, []uint32{math.MaxUint32})
		return err
	})
}
