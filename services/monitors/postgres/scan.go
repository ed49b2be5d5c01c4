package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/frogstats/uptime/services/monitors"
)

// row is a monitor as its columns are.
type row struct {
	interval, retryInterval, degradedAbove   pgtype.Int4
	cron, timezone, externalID, managedBy    pgtype.Text
	httpConfig, tcpConfig, tlsConfig         []byte
	dnsConfig                                []byte
	rules, regions, labels                   []byte
	created, updated, activeSince, deletedAt pgtype.Timestamptz
}

// scanMonitor reads monitorColumns.
func scanMonitor(s interface{ Scan(dest ...any) error }) (monitors.Monitor, error) {
	var m monitors.Monitor
	var r row
	c := &m.Config
	err := s.Scan(&m.ID, &m.OrganizationID, &c.Name, (*string)(&c.Type), &r.interval, &r.cron, &r.timezone, &c.Enabled,
		&r.httpConfig, &r.tcpConfig, &r.tlsConfig, &r.dnsConfig, &m.Sealed, &r.rules, &r.regions, &c.Retries.Attempts, (*int32)(&c.Retries.Delay),
		&c.ConfirmDown, &c.ConfirmUp, &r.retryInterval, (*string)(&c.Overlap), &c.Quorum, &r.degradedAbove,
		&r.labels, &r.externalID, &r.managedBy, &c.DependsOn, &r.created, &r.updated, &r.activeSince, &m.CreatedBy, &m.Version, &m.Rev, &r.deletedAt)
	if err != nil {
		return monitors.Monitor{}, err
	}
	if err := r.fill(&m); err != nil {
		return monitors.Monitor{}, fmt.Errorf("monitor %d: %w", m.ID, err)
	}
	return m, nil
}

func (r row) fill(m *monitors.Monitor) error {
	c := &m.Config
	c.Interval, c.RetryInterval = monitors.Seconds(r.interval.Int32), monitors.Seconds(r.retryInterval.Int32)
	c.DegradedAbove = monitors.Millis(r.degradedAbove.Int32)
	c.Cron, c.Timezone = r.cron.String, r.timezone.String
	c.ExternalID, c.ManagedBy = r.externalID.String, r.managedBy.String
	m.CreatedAt, m.UpdatedAt, m.ActiveSince = r.created.Time, r.updated.Time, r.activeSince.Time
	m.DeletedAt = r.deletedAt.Time // zero if NULL
	for _, column := range [...]struct {
		name string
		text []byte
		to   any
	}{
		{"validation_rules", r.rules, &c.Rules}, {"regions", r.regions, &c.Regions}, {"labels", r.labels, &c.Labels},
		{"http_config", r.httpConfig, &c.HTTP}, {"tcp_config", r.tcpConfig, &c.TCP},
		{"tls_config", r.tlsConfig, &c.TLS}, {"dns_config", r.dnsConfig, &c.DNS},
	} {
		if err := readJSONB(column.text, column.to); err != nil {
			return fmt.Errorf("column %s: %w", column.name, err)
		}
	}
	return nil
}
