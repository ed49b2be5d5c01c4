package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/frogstats/uptime/services/monitors"
)

// row is a monitor as its columns are.
type row struct {
	interval, retryInterval, degradedAbove sql.NullInt32
	cron, timezone, externalID, managedBy  sql.NullString
	httpConfig, tcpConfig, tlsConfig       sql.NullString
	dnsConfig, dependsOn                   sql.NullString
	rules, regions, labels                 string
	created, updated, activeSince          int64
	deleted                                sql.NullInt64
}

// scanMonitor reads monitorColumns.
func scanMonitor(s interface{ Scan(dest ...any) error }) (monitors.Monitor, error) {
	var m monitors.Monitor
	var r row
	c := &m.Config
	err := s.Scan(&m.ID, &m.OrganizationID, &c.Name, &c.Type, &r.interval, &r.cron, &r.timezone, &c.Enabled,
		&r.httpConfig, &r.tcpConfig, &r.tlsConfig, &r.dnsConfig, &m.Sealed, &r.rules, &r.regions, &c.Retries.Attempts, &c.Retries.Delay,
		&c.ConfirmDown, &c.ConfirmUp, &r.retryInterval, &c.Overlap, &c.Quorum, &r.degradedAbove,
		&r.labels, &r.externalID, &r.managedBy, &r.dependsOn, &r.created, &r.updated, &r.activeSince, &m.CreatedBy, &m.Version, &m.Rev, &r.deleted)
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
	m.CreatedAt, m.UpdatedAt, m.ActiveSince = fromMillis(r.created), fromMillis(r.updated), fromMillis(r.activeSince)
	if r.deleted.Valid {
		m.DeletedAt = fromMillis(r.deleted.Int64)
	}
	for _, column := range [...]struct {
		name, text string
		to         any
	}{
		{"validation_rules", r.rules, &c.Rules}, {"regions", r.regions, &c.Regions}, {"labels", r.labels, &c.Labels},
		{"http_config", r.httpConfig.String, &c.HTTP}, {"tcp_config", r.tcpConfig.String, &c.TCP},
		{"tls_config", r.tlsConfig.String, &c.TLS}, {"dns_config", r.dnsConfig.String, &c.DNS}, {"depends_on", r.dependsOn.String, &c.DependsOn},
	} {
		if column.text == "" { // NULL
			continue
		}
		if err := json.Unmarshal([]byte(column.text), column.to); err != nil {
			return fmt.Errorf("column %s: %w", column.name, err)
		}
	}
	return nil
}
