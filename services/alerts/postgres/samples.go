package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	selectSamples = `
SELECT s.alert_id, s.samples FROM rule_samples s JOIN uptime_alerts a ON a.id = s.alert_id
WHERE a.monitor_id = ANY ($1)`
	upsertSamples = `
INSERT INTO rule_samples (alert_id, samples) VALUES ($1, $2)
ON CONFLICT (alert_id) DO UPDATE SET samples = excluded.samples`
	deleteSamples = `DELETE FROM rule_samples WHERE alert_id = $1`
)

type ruleSamples struct {
	rule    uint32
	samples *alerts.Samples
}

func scanSamples(row pgx.Row) (s ruleSamples, err error) {
	s.samples = &alerts.Samples{}
	return s, row.Scan(&s.rule, s.samples)
}

func queueSamples(b *pgx.Batch, rule uint32, s *alerts.Samples) error {
	if s == nil {
		b.Queue(deleteSamples, rule)
		return nil
	}
	raw, err := object(s)
	if err != nil {
		return fmt.Errorf("samples of alert %d: %w", rule, err)
	}
	b.Queue(upsertSamples, rule, raw)
	return nil
}
