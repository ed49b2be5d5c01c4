package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/frogstats/uptime/bench/product"
	"github.com/frogstats/uptime/internal/maintenance"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/sqlite"
)

// usual is the time between checks on the last day, and of dense monitors all year.
const usual = 5 * time.Minute

// fleet is every monitor as it is stored now, and when the year began and ended.
type fleet struct {
	start, changed, end time.Time
	all                 []member
}

// member is a monitor and what becomes of it.
type member struct {
	monitors.Monitor
	dense  bool
	fate   fate
	paused time.Time // zero: it is not
}

// fate is how the year ends for a monitor.
type fate uint8

const (
	well fate = iota
	isDown
	isPaused
)

var (
	teams  = []string{"shop", "search", "billing", "mail", "platform", "data", "edge", "mobile"}
	things = []string{"API", "worker", "database", "cache", "queue", "frontend", "gateway", "scheduler", "indexer", "relay"}
)

// makeFleet starts frogup for its owner and one monitor of each kind, and stores the others like those.
func makeFleet(ctx context.Context, o options) (*fleet, error) {
	templates, err := makeTemplates(ctx, o)
	if err != nil {
		return nil, err
	}
	store, err := sqlite.Open(ctx, filepath.Join(o.dir, "data", "monitors.db"))
	if err != nil {
		return nil, fmt.Errorf("open monitors: %w", err)
	}
	end := time.Now().UTC().Truncate(time.Minute)
	f := &fleet{end: end, changed: end.Add(-24 * time.Hour), start: end.AddDate(0, 0, -o.days)}
	err = store.Write(ctx, func(tx monitors.Tx) error { return f.store(ctx, tx, o, templates) })
	return f, errors.Join(err, store.Close())
}

// templates are monitors that the product made: with its defaults, of an organization with an owner.
type templates struct{ http, tcp monitors.Monitor }

func makeTemplates(ctx context.Context, o options) (t templates, err error) {
	s, err := product.Open(ctx, o.binary, o.dir)
	if err != nil {
		return t, err
	}
	host, port, err := net.SplitHostPort(o.target)
	if err != nil {
		return t, errors.Join(fmt.Errorf("-target: %w", err), s.End())
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return t, errors.Join(fmt.Errorf("-target: %w", err), s.End())
	}
	var http, tcp struct {
		ID           uint32 `json:"id"`
		Organization string `json:"organization_id"`
	}
	err = errors.Join(
		s.Call(ctx, "POST", "/api/uptime/monitors", map[string]any{"monitor_type": "http", "name": "template", "enabled": false, "interval_seconds": 60, "http_config": map[string]any{"url": "http://" + o.target + "/"}}, &http),
		s.Call(ctx, "POST", "/api/uptime/monitors", map[string]any{"monitor_type": "tcp", "name": "template", "enabled": false, "interval_seconds": 60, "tcp_config": map[string]any{"host": host, "port": number}}, &tcp),
		s.End(), os.RemoveAll(filepath.Join(o.dir, "stderr.log")),
	)
	if err != nil {
		return t, fmt.Errorf("make templates: %w", err)
	}
	store, err := sqlite.Open(ctx, filepath.Join(o.dir, "data", "monitors.db"))
	if err != nil {
		return t, fmt.Errorf("open monitors: %w", err)
	}
	t.http, err = store.Monitor(ctx, http.Organization, http.ID)
	if err == nil {
		t.tcp, err = store.Monitor(ctx, tcp.Organization, tcp.ID)
	}
	now := time.Now().UTC()
	err = errors.Join(err, store.Write(ctx, func(tx monitors.Tx) error {
		return errors.Join(tx.Delete(ctx, http.Organization, http.ID, now), tx.Delete(ctx, tcp.Organization, tcp.ID, now))
	}), store.Close())
	return t, err
}

// store stores the monitors as they were made, and as they were changed a day ago.
func (f *fleet) store(ctx context.Context, tx monitors.Tx, o options, t templates) error {
	f.all = make([]member, 0, o.monitors)
	for i := range o.monitors {
		m, err := f.draw(i, o, t)
		if err != nil {
			return err
		}
		if m.ID, err = tx.Insert(ctx, m.asMade(o.early)); err != nil {
			return fmt.Errorf("store monitor: %w", err)
		}
		if m.Version > 1 {
			if err := tx.Update(ctx, m.Monitor); err != nil {
				return fmt.Errorf("store monitor: %w", err)
			}
		}
		f.all = append(f.all, m)
	}
	return f.storeWindow(ctx, tx, t.http.OrganizationID)
}

// draw makes the i-th monitor as it is at the end of the year.
func (f *fleet) draw(i int, o options, t templates) (member, error) {
	r := rand.New(rand.NewPCG(o.seed, uint64(i)))
	team := teams[i%len(teams)]
	m := member{Monitor: t.http, dense: i < o.dense}
	address := o.target
	switch {
	case m.dense:
	case i%331 == 5:
		m.fate, address = isDown, o.closed
	case i%97 == 11:
		m.fate, m.paused = isPaused, f.start.Add(time.Duration(r.Int64N(int64(f.changed.Sub(f.start)))).Truncate(time.Second))
	}
	if i%3 == 1 {
		m.Monitor = t.tcp
	}
	c := &m.Config
	c.Name = fmt.Sprintf("%s %s %d", team, things[i/len(teams)%len(things)], i/len(teams)/len(things)+1)
	c.Labels = map[string]string{"team": team, "env": []string{"prod", "prod", "staging"}[i%3]}
	c.Interval, c.Enabled = monitors.Seconds(usual/time.Second), m.fate != isPaused
	if err := aim(c, address, i); err != nil {
		return m, err
	}
	if i%20 == 3 {
		c.DegradedAbove = 400
	}
	m.Version, m.CreatedAt, m.UpdatedAt, m.ActiveSince = 1, f.start, f.start, f.start
	switch {
	case m.fate == isPaused:
		c.Interval = monitors.Seconds(o.early / time.Second)
		m.Version, m.UpdatedAt = 2, m.paused
	case !m.dense:
		m.Version, m.UpdatedAt = 2, f.changed
	}
	return m, nil
}

// aim gives a copy of the template's check an address of its own.
func aim(c *monitors.Config, address string, i int) error {
	if c.HTTP != nil {
		h := *c.HTTP
		h.URL = fmt.Sprintf("http://%s/%d", address, i)
		c.HTTP = &h
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	p := *c.TCP
	p.Host, p.Port = host, int32(number)
	c.TCP = &p
	return nil
}

// asMade is the monitor before it was changed.
func (m *member) asMade(early time.Duration) monitors.Monitor {
	made := m.Monitor
	made.Version, made.UpdatedAt = 1, m.CreatedAt
	made.Config.Enabled = true
	if !m.dense {
		made.Config.Interval = monitors.Seconds(early / time.Second)
	}
	return made
}

// storeWindow stores the maintenance that one team has had every week, since the year began.
func (f *fleet) storeWindow(ctx context.Context, tx monitors.Tx, organization string) error {
	_, err := tx.InsertWindow(ctx, monitors.Window{
		OrganizationID: organization, Version: 1, CreatedAt: f.start, CreatedBy: f.all[0].CreatedBy, From: f.start,
		Config: monitors.WindowConfig{
			Name: "Weekly upgrades", Target: maintenance.Target{Labels: []string{"team=data"}},
			Spec: maintenance.Spec{Start: f.start, Cron: "0 3 * * SUN", Timezone: "UTC", Length: 4 * 3600},
		},
	})
	if err != nil {
		return fmt.Errorf("store window: %w", err)
	}
	return nil
}
