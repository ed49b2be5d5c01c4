package app

import (
	"context"
	"fmt"
	"runtime"

	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/accounts"
	accountsdb "github.com/frogstats/uptime/services/accounts/sqlite"
	"github.com/frogstats/uptime/services/alerts"
	alertsdb "github.com/frogstats/uptime/services/alerts/sqlite"
	"github.com/frogstats/uptime/services/events"
	eventsdb "github.com/frogstats/uptime/services/events/sqlite"
	"github.com/frogstats/uptime/services/monitors"
	monitorsdb "github.com/frogstats/uptime/services/monitors/sqlite"
	"github.com/frogstats/uptime/services/prober"
)

// closes adds a store's Close to the end of the process.
func (h *house) closes(name string, store interface{ Close() error }) {
	h.group.Defer(name, func(context.Context) error { return store.Close() })
}

func (h *house) accounts(ctx context.Context) (room, error) {
	store, err := accountsdb.Open(ctx, h.dir.Join("accounts.db"))
	if err != nil {
		return nil, err
	}
	h.closes("accounts.db", store)
	if h.setupToken, err = h.bootstrap(ctx, store); err != nil {
		return nil, err
	}
	// Half of the machine at most goes into passwords: a flood of logins must not make checks late.
	return accounts.New(accounts.Deps{Store: store, Log: h.log, PasswordConcurrency: max(runtime.NumCPU()/2, 1)}), nil
}

// bootstrap creates the first owner from the environment, or a set-up token.
func (h *house) bootstrap(ctx context.Context, store accounts.Store) (setupToken string, err error) {
	values := map[string]string{}
	for _, name := range []string{"FROGUP_ADMIN_EMAIL", "FROGUP_ADMIN_PASSWORD", "FROGUP_ADMIN_API_KEY"} {
		if values[name], err = h.process.secretEnv(name); err != nil {
			return "", err
		}
	}
	done, err := accounts.Bootstrap(ctx, store, accounts.BootstrapConfig{
		AdminEmail:    values["FROGUP_ADMIN_EMAIL"],
		AdminPassword: secret.New(values["FROGUP_ADMIN_PASSWORD"]),
		AdminAPIKey:   secret.New(values["FROGUP_ADMIN_API_KEY"]),
	})
	if err != nil {
		return "", err
	}
	if done.Created {
		h.log.Info("first owner created", "email", values["FROGUP_ADMIN_EMAIL"])
	}
	if done.APIKey == accounts.KeyRevoked || done.APIKey == accounts.KeyWaiting {
		h.log.Warn("the operator's API key does not work", "state", string(done.APIKey))
	}
	return done.SetupToken, nil
}

func (h *house) events(ctx context.Context) (room, error) {
	state, err := eventsdb.OpenState(ctx, h.dir.Join("state.db"))
	if err != nil {
		return nil, err
	}
	h.closes("state.db", state)
	history, err := eventsdb.OpenHistory(ctx, h.dir.Join("history"), eventsdb.HistoryOptions{Log: h.log})
	if err != nil {
		return nil, err
	}
	h.closes("history", history)
	toMonitors, err := h.conn("monitors", "events")
	if err != nil {
		return nil, err
	}
	toAlerts, err := h.conn("alerts", "events")
	if err != nil {
		return nil, err
	}
	s, err := events.New(events.Deps{
		State: state, Results: history, Monitors: toMonitors, Alerts: toAlerts, Log: h.log, PageKey: h.secrets.Derive("events pages"),
		Retention: h.cfg.retention,
	})
	if err != nil {
		return nil, err
	}
	h.group.Add("events", s.Run)
	return s, nil
}

func (h *house) alerts(ctx context.Context) (room, error) {
	store, err := alertsdb.Open(ctx, h.dir.Join("alerts.db"))
	if err != nil {
		return nil, err
	}
	h.closes("alerts.db", store)
	toEvents, err := h.conn("events", "alerts")
	if err != nil {
		return nil, err
	}
	toMonitors, err := h.conn("monitors", "alerts")
	if err != nil {
		return nil, err
	}
	s, err := alerts.New(alerts.Deps{
		Store: store, Log: h.log, Secrets: h.secrets, PageKey: h.secrets.Derive("alerts pages"),
		Events: toEvents, Monitors: toMonitors, Egress: *h.egress,
	})
	if err != nil {
		return nil, err
	}
	h.group.Add("alerts", s.Run)
	return s, nil
}

func (h *house) monitors(ctx context.Context) (room, error) {
	store, err := monitorsdb.Open(ctx, h.dir.Join("monitors.db"))
	if err != nil {
		return nil, err
	}
	h.closes("monitors.db", store)
	toEvents, err := h.conn("events", "monitors")
	if err != nil {
		return nil, err
	}
	toProber, err := h.connFor("prober", "monitors", slowestCheck)
	if err != nil {
		return nil, err
	}
	return monitors.New(monitors.Deps{
		Store: store, Log: h.log, Secrets: h.secrets, PageKey: h.secrets.Derive("monitors pages"),
		Events: toEvents, Prober: toProber, ProberRegion: h.cfg.region,
	})
}

func (h *house) prober(context.Context) (room, error) {
	toMonitors, err := h.conn("monitors", "prober")
	if err != nil {
		return nil, err
	}
	toEvents, err := h.conn("events", "prober")
	if err != nil {
		return nil, err
	}
	s, err := prober.New(prober.Config{
		ProberID: fmt.Sprintf("%s/%s", hostName(), h.cfg.region), Region: h.cfg.region, Version: h.process.Version,
		MaxChecks: h.cfg.maxChecks, MaxChecksPerHost: h.cfg.maxPerHost, ResolverWitnesses: h.cfg.witnesses,
	}, prober.Deps{Monitors: toMonitors, Events: toEvents, Egress: h.egress, Log: h.log})
	if err != nil {
		return nil, err
	}
	h.group.Add("prober", s.Run)
	return s, nil
}
