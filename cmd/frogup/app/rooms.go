package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"

	"google.golang.org/grpc"

	"github.com/frogstats/uptime/cmd/frogup/shoutrrr"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/accounts"
	"github.com/frogstats/uptime/services/alerts"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/prober"
)

// room is a service as the house needs it.
type room interface {
	Register(grpc.ServiceRegistrar)
}

// rooms in starting order; they stop in reverse. The prober comes last, because it
// gives work to all others.
var rooms = []struct {
	name  string
	peers []string // the services that it calls
	build func(h *house, ctx context.Context) (room, error)
}{
	{"accounts", nil, (*house).accounts},
	{"events", []string{"monitors", "alerts"}, (*house).events},
	{"alerts", []string{"events", "monitors"}, (*house).alerts},
	{"monitors", []string{"events", "alerts", "prober"}, (*house).monitors},
	{"prober", []string{"monitors", "events"}, (*house).prober},
}

// logOf is the log of a service in this process.
func (h *house) logOf(service string) *slog.Logger { return ofService(h.log, service) }

func (h *house) accounts(ctx context.Context) (room, error) {
	store, err := openStore(ctx, h, "database of accounts", h.at(h.cfg.database, "accounts.db"), accountsStores)
	if err != nil {
		return nil, err
	}
	h.watchAccounts(store)
	if h.setupToken, err = h.bootstrap(ctx, store); err != nil {
		return nil, err
	}
	// Half of the machine at most goes into passwords: a flood of logins must not make checks late.
	return accounts.New(accounts.Deps{Store: store, Log: h.logOf("accounts"), PasswordConcurrency: max(runtime.NumCPU()/2, 1), SingleTenant: h.cfg.singleTenant}), nil
}

// bootstrap creates the first owner from the settings, or a set-up token.
func (h *house) bootstrap(ctx context.Context, store accounts.Store) (setupToken string, err error) {
	done, err := accounts.Bootstrap(ctx, store, accounts.BootstrapConfig{
		AdminEmail:    h.cfg.adminEmail,
		AdminPassword: secret.New(h.cfg.adminPassword),
		AdminAPIKey:   secret.New(h.cfg.adminAPIKey),
		SingleTenant:  h.cfg.singleTenant,
	})
	if err != nil {
		return "", err
	}
	if done.Created {
		h.logOf("accounts").Info("first owner created", "email", h.cfg.adminEmail)
	}
	if done.APIKey == accounts.KeyRevoked || done.APIKey == accounts.KeyWaiting {
		h.logOf("accounts").Warn("the operator's API key does not work", "state", string(done.APIKey))
	}
	return done.SetupToken, nil
}

// owned is a store that one process at a time may judge on.
type owned interface {
	Own(ctx context.Context) (lost <-chan error, err error)
}

func (h *house) events(ctx context.Context) (room, error) {
	state, err := openStore(ctx, h, "database of events", h.at(h.cfg.database, "state.db"), stateStores)
	if err != nil {
		return nil, err
	}
	history, err := openStore(ctx, h, "history", h.at(h.cfg.history, "history"), historyStores)
	if err != nil {
		return nil, err
	}
	h.watchState(state)
	if s, ok := state.(owned); ok {
		lost, err := s.Own(ctx)
		if err != nil {
			return nil, err
		}
		h.group.Add("ownership of the state", func(ctx context.Context) error {
			select {
			case err := <-lost:
				return err
			case <-ctx.Done():
				return nil
			}
		})
	}
	toMonitors, err := h.conn("monitors", "events")
	if err != nil {
		return nil, err
	}
	toAlerts, err := h.conn("alerts", "events")
	if err != nil {
		return nil, err
	}
	s, err := events.New(events.Deps{
		State: state, Results: history, Evidence: state, Monitors: toMonitors, Alerts: toAlerts, Notices: toAlerts, Log: h.logOf("events"), PageKey: h.keys.derive("events pages"),
		Retention: h.cfg.retention,
	})
	if err != nil {
		return nil, err
	}
	h.watchHistory(s, history)
	h.group.Add("events", s.Run)
	return s, nil
}

func (h *house) alerts(ctx context.Context) (room, error) {
	policy, err := h.cfg.policy()
	if err != nil {
		return nil, err
	}
	address := h.at(h.cfg.database, "alerts.db")
	store, err := openStore(ctx, h, "database of alerts", address, alertsStores)
	if err != nil {
		return nil, err
	}
	h.watchAlerts(store)
	toEvents, err := h.conn("events", "alerts")
	if err != nil {
		return nil, err
	}
	toMonitors, err := h.conn("monitors", "alerts")
	if err != nil {
		return nil, err
	}
	deps := h.alertsDeps(address)
	deps.PublicURL = h.cfg.publicURL
	deps.Store, deps.Events, deps.Monitors, deps.Egress = store, toEvents, toMonitors, *policy
	deps.NoticeQuiet, deps.Flapping = h.cfg.noticeQuiet, h.cfg.flapping
	if h.cfg.shoutrrr {
		runner, err := shoutrrr.NewRunner(*policy, h.process.Env)
		if err != nil {
			return nil, err
		}
		deps.Shoutrrr = runner.Send
	}
	s, err := alerts.New(deps)
	if err != nil {
		return nil, err
	}
	h.group.Add("alerts", s.Run)
	return s, nil
}

// alertsDeps are those that follow from the settings and the address of the store.
func (h *house) alertsDeps(address string) alerts.Deps {
	return alerts.Deps{
		Log: h.logOf("alerts"), Secrets: h.keys.box, PageKey: h.keys.derive("alerts pages"),
		Shared: isShared(address), // replicas write to it as well
	}
}

func (h *house) monitors(ctx context.Context) (room, error) {
	store, err := openStore(ctx, h, "database of monitors", h.at(h.cfg.database, "monitors.db"), monitorsStores)
	if err != nil {
		return nil, err
	}
	h.watchMonitors(store)
	toEvents, err := h.conn("events", "monitors")
	if err != nil {
		return nil, err
	}
	toProber, err := h.connFor("prober", "monitors", slowestCheck)
	if err != nil {
		return nil, err
	}
	toAlerts, err := h.conn("alerts", "monitors")
	if err != nil {
		return nil, err
	}
	s, err := monitors.New(monitors.Deps{
		Store: store, Log: h.logOf("monitors"), Secrets: h.keys.box, PageKey: h.keys.derive("monitors pages"),
		Events: toEvents, Prober: toProber, ProberRegion: h.cfg.region, PublicURL: h.cfg.publicURL,
		Alerts: toAlerts, LeaseTTL: h.cfg.leaseTTL,
	})
	if err != nil {
		return nil, err
	}
	h.group.Add("monitors", s.Run)
	return s, nil
}

// proberLinks are what the prober is called, and its connections to monitors and events. A remote one has one for both.
func (h *house) proberLinks(ctx context.Context) (id string, toMonitors, toEvents grpc.ClientConnInterface, err error) {
	if h.cfg.remote {
		id, conn, err := h.joined(ctx)
		return id, conn, conn, err
	}
	if toMonitors, err = h.conn("monitors", "prober"); err != nil {
		return "", nil, nil, err
	}
	if toEvents, err = h.conn("events", "prober"); err != nil {
		return "", nil, nil, err
	}
	if id = h.cfg.proberID; id == "" {
		id = fmt.Sprintf("%s/%s", hostName(), h.cfg.region)
	}
	return id, toMonitors, toEvents, nil
}

func (h *house) prober(ctx context.Context) (room, error) {
	policy, err := h.cfg.policy()
	if err != nil {
		return nil, err
	}
	id, toMonitors, toEvents, err := h.proberLinks(ctx)
	if err != nil {
		return nil, err
	}
	outbox, err := h.outbox()
	if err != nil {
		return nil, err
	}
	traced := h.cfg.checkTraceRatio
	if traced == 0 {
		traced = -1 // where 0 stands for the default
	}
	s, err := prober.New(prober.Config{
		ProberID: id, Region: h.cfg.region, Version: h.process.Version, CheckSampleRatio: traced,
		MaxChecks: h.cfg.maxChecks, MaxChecksPerHost: h.cfg.maxPerHost, ResolverWitnesses: h.cfg.witnesses,
		Dir: h.proberFolder(), SpoolBytes: int64(h.cfg.spoolMiB) << 20, SpoolBlocks: h.cfg.spoolFull != dropOldest,
		Witnesses: h.cfg.networkWitnesses(), SecondResolvers: h.cfg.secondResolverList(),
	}, prober.Deps{Monitors: toMonitors, Events: toEvents, Egress: policy, Outbox: outbox, Log: h.logOf("prober")})
	if err != nil {
		return nil, err
	}
	h.group.Add("prober", s.Run)
	return s, nil
}

// outbox is where the prober keeps results until they are stored: on disk if it has a folder, else nil, which is in memory.
func (h *house) outbox() (prober.Outbox, error) {
	folder := h.proberFolder()
	if folder == "" {
		return nil, nil
	}
	box, err := prober.OpenOutbox(filepath.Join(folder, "spool"), prober.OutboxOptions{
		MaxBytes: int64(h.cfg.spoolMiB) << 20, Blocks: h.cfg.spoolFull != dropOldest, Log: h.logOf("prober"),
	})
	if err != nil {
		return nil, err
	}
	h.closes("outbox of the prober", box)
	return box, nil
}

// proberFolder is where the prober keeps what outlives it; "" is nowhere.
func (h *house) proberFolder() string {
	if h.dir != nil {
		return h.dir.Join("prober")
	}
	return h.cfg.data
}

// hostName names this process's prober.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}
