package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/frogstats/uptime/services/events"
)

// maxRemembered bounds each of a dictionary's caches; a full one is emptied, and what it held is found in the file again.
const maxRemembered = 100_000

// dictionary gives numbers to what many results of a file have in common. What it remembers is true only once the
// transaction that it worked in has been committed: after a failure it must be forgotten.
type dictionary struct {
	configs  map[configKey]int64
	variants map[variantKey]int64
	headers  map[uint64]int64
	sets     *events.HeaderSets
	epoch    int // how often it was forgotten
}

func newDictionary() *dictionary {
	d := &dictionary{sets: events.NewHeaderSets()}
	d.forget()
	return d
}

func (d *dictionary) forget() {
	d.configs, d.variants, d.headers = map[configKey]int64{}, map[variantKey]int64{}, map[uint64]int64{}
	d.epoch++
}

// recent is the newest variant of a series. A result mostly has the same as the one before, and then only has to be compared.
type recent struct {
	epoch  int // of the dictionary; 0 is none
	id     int64
	config configKey
	plain  variantKey // without numbers of other contents
}

// variantOf is variant for a result of a series.
func (d *dictionary) variantOf(ctx context.Context, tx *sql.Tx, s *series, r *events.Result) (int64, error) {
	if len(r.Headers) > 0 || len(r.ValidationErrors) > 0 {
		return d.variant(ctx, tx, r)
	}
	last := &s.recent
	if last.epoch == d.epoch && last.plain == plainKey(r) && last.config == configOf(r) {
		return last.id, nil
	}
	id, err := d.variant(ctx, tx, r)
	if err == nil {
		*last = recent{d.epoch, id, configOf(r), plainKey(r)}
	}
	return id, err
}

func configOf(r *events.Result) configKey {
	return configKey{r.MonitorID, r.ConfigVersion, r.OrganizationID, r.Kind, r.URL, r.Name, r.Port}
}

// plainKey is the part of a variant that stands in the result itself.
func plainKey(r *events.Result) variantKey {
	k := variantKey{
		code: r.StatusCode, attempt: r.Attempt, prober: r.ProberID, ip: r.ResolvedIP, family: r.Family, tls: r.TLSVersion,
		cert: ms(r.CertExpiresAt), errorType: r.ErrorType, message: r.ErrorMessage, phase: r.FailedPhase, missed: r.MissedCount, epoch: r.Epoch,
	}
	if r.Outcome == events.Missed {
		k.next = ms(r.NextScheduledAt)
	}
	return k
}

type configKey struct {
	monitorID    uint32
	version      uint64
	organization string
	kind         events.CheckKind
	url, name    string
	port         uint32
}

type variantKey struct {
	config     int64
	code       uint32
	attempt    uint32
	prober     string
	ip         string
	family     events.Family
	tls        string
	cert       int64
	headers    int64
	errorType  string
	message    string
	phase      events.Phase
	validation string
	missed     uint32
	next       int64
	epoch      uint64
}

// variant returns the number of what r has in common with others, and writes it down if it is new.
func (d *dictionary) variant(ctx context.Context, tx *sql.Tx, r *events.Result) (int64, error) {
	config, err := d.config(ctx, tx, r)
	if err != nil {
		return 0, err
	}
	headers, err := d.headerSet(ctx, tx, config, r)
	if err != nil {
		return 0, err
	}
	k := plainKey(r)
	k.config, k.headers, k.validation = config, headers, list(r.ValidationErrors)
	const query = `
INSERT INTO variant (hash, config_id, status_code, attempt, prober_id, resolved_ip, ip_family, tls_version, cert_expires_at,
                     header_set_id, error_type, error_message, failed_phase, validation_errors, missed_count, next_at, epoch)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash RETURNING id`
	return remember(ctx, tx, d.variants, k, "variant", query, func() []any {
		return []any{
			hash(k.config, k.code, k.attempt, k.prober, k.ip, k.family, k.tls, k.cert, k.headers, k.errorType, k.message, k.phase,
				k.validation, k.missed, k.next, k.epoch),
			k.config, k.code, k.attempt, k.prober, k.ip, int(k.family), k.tls, k.cert,
			sql.NullInt64{Int64: k.headers, Valid: k.headers != 0}, k.errorType, k.message, int(k.phase), k.validation, k.missed, k.next, int64(k.epoch),
		}
	})
}

func (d *dictionary) config(ctx context.Context, tx *sql.Tx, r *events.Result) (int64, error) {
	k := configOf(r)
	const query = `
INSERT INTO config (hash, monitor_id, version, organization_id, monitor_type, monitor_url, monitor_name, port)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash RETURNING id`
	return remember(ctx, tx, d.configs, k, "config", query, func() []any {
		return []any{
			hash(k.monitorID, k.version, k.organization, k.kind, k.url, k.name, k.port),
			k.monitorID, int64(k.version), k.organization, int(k.kind), k.url, k.name, k.port,
		}
	})
}

// headerSet returns 0 for none.
func (d *dictionary) headerSet(ctx context.Context, tx *sql.Tx, config int64, r *events.Result) (int64, error) {
	k, kept := d.sets.Keep(events.AnswerKind{Config: uint64(config), Outcome: r.Outcome, Code: r.StatusCode}, r.Headers)
	if len(kept) == 0 {
		return 0, nil
	}
	const query = `
INSERT INTO header_set (hash, headers) VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash RETURNING id`
	return remember(ctx, tx, d.headers, k, "header set", query, func() []any {
		text, err := json.Marshal(kept) // sorts by name
		if err != nil {
			panic(err) // strings always encode
		}
		return []any{hash(string(text)), string(text)}
	})
}

// remember returns the number that k has in cache, or else the one that query answers with.
func remember[K comparable](ctx context.Context, tx *sql.Tx, cache map[K]int64, k K, what, query string, args func() []any) (int64, error) {
	if id, ok := cache[k]; ok {
		return id, nil
	}
	var id int64
	if err := tx.QueryRowContext(ctx, query, args()...).Scan(&id); err != nil {
		return 0, fmt.Errorf("put %s: %w", what, err)
	}
	if len(cache) >= maxRemembered {
		clear(cache)
	}
	cache[k] = id
	return id, nil
}

// hash tells contents apart: 16 bytes of SHA-256, because part of the content is written by the servers that are watched.
func hash(parts ...any) []byte {
	h := sha256.New()
	for _, p := range parts {
		if s, ok := p.(string); ok {
			h.Write(binary.AppendUvarint(nil, uint64(len(s))))
			h.Write([]byte(s))
			continue
		}
		fmt.Fprintf(h, "%d,", p)
	}
	return h.Sum(nil)[:16]
}
