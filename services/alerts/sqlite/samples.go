package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/frogstats/uptime/services/alerts"
)

const (
	selectSamples = `
SELECT s.alert_id, s.samples FROM rule_samples s
WHERE s.alert_id IN (SELECT a.id FROM uptime_alerts a WHERE a.monitor_id IN (SELECT value FROM json_each(?)))`
	upsertSamples = `
INSERT INTO rule_samples (alert_id, samples) VALUES (?, ?)
ON CONFLICT (alert_id) DO UPDATE SET samples = excluded.samples`
	deleteSamples = `DELETE FROM rule_samples WHERE alert_id = ?`
)

type ruleSamples struct {
	rule    uint32
	samples *alerts.Samples
}

func scanSamples(row scanner) (s ruleSamples, err error) {
	var raw string
	if err := row.Scan(&s.rule, &raw); err != nil {
		return s, err
	}
	s.samples = &alerts.Samples{}
	return s, json.Unmarshal([]byte(raw), s.samples)
}

// readSamples is what the rules of the monitors know of response times, by rule.
func readSamples(ctx context.Context, tx *sql.Tx, ids string) (map[uint32]*alerts.Samples, error) {
	all, err := collect(ctx, tx, scanSamples, selectSamples, ids)
	if err != nil {
		return nil, fmt.Errorf("samples: %w", err)
	}
	out := make(map[uint32]*alerts.Samples, len(all))
	for _, s := range all {
		out[s.rule] = s.samples
	}
	return out, nil
}

func saveSamples(ctx context.Context, tx *sql.Tx, rule uint32, s *alerts.Samples) error {
	var err error
	if s == nil {
		_, err = tx.ExecContext(ctx, deleteSamples, rule)
	} else {
		raw, wrong := text(s)
		_, err = tx.ExecContext(ctx, upsertSamples, rule, raw)
		err = errors.Join(wrong, err)
	}
	if err != nil {
		return fmt.Errorf("samples of alert %d: %w", rule, err)
	}
	return nil
}
