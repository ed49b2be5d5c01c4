package clickhouse

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/frogstats/uptime/services/events"
)

// insertResults names its columns in the order of columns.all.
const insertResults = `
INSERT INTO monitor_events (
  organization_id, monitor_id, timestamp, region, status, late_ms, response_rest_us, dns_time_us, tcp_time_us, tls_time_us, ttfb_us,
  transfer_time_us, response_size_bytes, status_code, validation_errors, headers, error_type, error_message, failed_phase, attempt,
  prober_id, resolved_ip, ip_family, tls_version, cert_expires_ms, missed_count, next_scheduled_ms, config_version, check_kind,
  monitor_url, monitor_name, port, epoch)`

// columns are results as an INSERT wants them. They are used again for every block, because growing thirty slices is most of
// the work of filling them.
type columns struct {
	organization, region, headers, errorType, prober, ip, tlsVersion, url, name labels
	errorMessage                                                                []string
	monitor, code, attempt, missed, port                                        []uint32
	status                                                                      []int8
	phase, family, kind                                                         []uint8
	slot, late, rest, dns, tcp, tls, ttfb, transfer, size, cert, next           []int64
	version, epoch                                                              []uint64
	validation                                                                  [][]string
	boxes                                                                       []any
}

func (c *columns) all() []any {
	return []any{
		c.organization, c.monitor, c.slot, c.region, c.status, c.late, c.rest, c.dns, c.tcp, c.tls, c.ttfb,
		c.transfer, c.size, c.code, c.validation, c.headers, c.errorType, c.errorMessage, c.phase, c.attempt,
		c.prober, c.ip, c.family, c.tlsVersion, c.cert, c.missed, c.next, c.version, c.kind,
		c.url, c.name, c.port, c.epoch,
	}
}

// reset empties the columns. Texts are let go of.
func (c *columns) reset() {
	for _, s := range []*labels{
		&c.organization, &c.region, &c.headers, &c.errorType, (*labels)(&c.errorMessage), &c.prober, &c.ip, &c.tlsVersion, &c.url, &c.name,
	} {
		clear(*s)
		*s = (*s)[:0]
	}
	for _, s := range []*[]uint32{&c.monitor, &c.code, &c.attempt, &c.missed, &c.port} {
		*s = (*s)[:0]
	}
	for _, s := range []*[]uint8{&c.phase, &c.family, &c.kind} {
		*s = (*s)[:0]
	}
	for _, s := range []*[]int64{
		&c.slot, &c.late, &c.rest, &c.dns, &c.tcp, &c.tls, &c.ttfb, &c.transfer, &c.size, &c.cert, &c.next,
	} {
		*s = (*s)[:0]
	}
	clear(c.validation)
	clear(c.boxes)
	c.status, c.version, c.epoch, c.validation = c.status[:0], c.version[:0], c.epoch[:0], c.validation[:0]
}

// add appends a result with the headers that are kept of it.
func (c *columns) add(r *events.Result, headers string) {
	slot := r.ScheduledAt.UnixMilli()
	dns, tcp, tls, ttfb, transfer := phaseUS(r.DNS), phaseUS(r.TCP), phaseUS(r.TLS), phaseUS(r.TTFB), phaseUS(r.Transfer)
	rest := us(r.ResponseTime) - max(dns, 0) - max(tcp, 0) - max(tls, 0) - max(ttfb, 0) - max(transfer, 0)
	c.organization, c.monitor, c.slot, c.region = append(c.organization, r.OrganizationID), append(c.monitor, r.MonitorID), append(c.slot, slot), append(c.region, r.Region)
	c.status, c.late, c.rest = append(c.status, int8(r.Outcome)), append(c.late, r.StartedAt.UnixMilli()-slot), append(c.rest, rest)
	c.dns, c.tcp, c.tls, c.ttfb, c.transfer = append(c.dns, dns), append(c.tcp, tcp), append(c.tls, tls), append(c.ttfb, ttfb), append(c.transfer, transfer)
	c.size, c.code, c.validation = append(c.size, r.Size), append(c.code, r.StatusCode), append(c.validation, r.ValidationErrors)
	c.headers, c.errorType, c.errorMessage = append(c.headers, headers), append(c.errorType, r.ErrorType), append(c.errorMessage, r.ErrorMessage)
	c.phase, c.attempt, c.prober = append(c.phase, uint8(r.FailedPhase)), append(c.attempt, r.Attempt), append(c.prober, r.ProberID)
	c.ip, c.family, c.tlsVersion, c.cert = append(c.ip, r.ResolvedIP), append(c.family, uint8(r.Family)), append(c.tlsVersion, r.TLSVersion), append(c.cert, ms(r.CertExpiresAt))
	next := int64(0)
	if r.Outcome == events.Missed {
		next = ms(r.NextScheduledAt)
	}
	c.missed, c.next, c.version, c.kind = append(c.missed, r.MissedCount), append(c.next, next), append(c.version, r.ConfigVersion), append(c.kind, uint8(r.Kind))
	c.url, c.name, c.port, c.epoch = append(c.url, r.URL), append(c.name, r.Name), append(c.port, r.Port), append(c.epoch, r.Epoch)
}

// fill hands the columns to a batch.
func (c *columns) fill(b driver.Batch) error {
	for i, values := range c.all() {
		if l, ok := values.(labels); ok {
			values = c.boxed(l)
		}
		if err := b.Column(i).Append(values); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

// labels are the texts of a dictionary column.
type labels []string

// boxed is labels as the driver's dictionary columns look at them. Neighbours that are equal share a box: making one for every
// row costs as much as all the numbers together.
func (c *columns) boxed(l labels) []any {
	c.boxes = c.boxes[:0]
	var box any
	last := ""
	for i, text := range l {
		if i == 0 || text != last {
			box, last = text, text
		}
		c.boxes = append(c.boxes, box)
	}
	return c.boxes
}

// resultColumns are what eachResult reads.
const resultColumns = `
  organization_id, monitor_id, toUnixTimestamp64Milli(timestamp), region, toUInt8(status), late_ms, response_time_us,
  dns_time_us, tcp_time_us, tls_time_us, ttfb_us, transfer_time_us, response_size_bytes, status_code, validation_errors, headers,
  error_type, error_message, failed_phase, attempt, prober_id, resolved_ip, ip_family, tls_version, cert_expires_ms, missed_count,
  next_scheduled_ms, config_version, check_kind, monitor_url, monitor_name, port, epoch`

// scanner reads rows of resultColumns.
type scanner struct {
	slot, late, response, dns, tcp, tls, ttfb, transfer, cert, next int64
	outcome, phase, family, kind                                    uint8
	headers                                                         string
}

func (s *scanner) scan(rows driver.Rows, r *events.Result) error {
	*r = events.Result{}
	err := rows.Scan(&r.OrganizationID, &r.MonitorID, &s.slot, &r.Region, &s.outcome, &s.late, &s.response,
		&s.dns, &s.tcp, &s.tls, &s.ttfb, &s.transfer, &r.Size, &r.StatusCode, &r.ValidationErrors, &s.headers,
		&r.ErrorType, &r.ErrorMessage, &s.phase, &r.Attempt, &r.ProberID, &r.ResolvedIP, &s.family, &r.TLSVersion, &s.cert, &r.MissedCount,
		&s.next, &r.ConfigVersion, &s.kind, &r.URL, &r.Name, &r.Port, &r.Epoch)
	if err != nil {
		return err
	}
	r.ScheduledAt, r.StartedAt = moment(s.slot), moment(s.slot+s.late)
	r.Outcome, r.FailedPhase, r.Family, r.Kind = events.Outcome(s.outcome), events.Phase(s.phase), events.Family(s.family), events.CheckKind(s.kind)
	r.ResponseTime = fromUS(s.response)
	r.DNS, r.TCP, r.TLS, r.TTFB, r.Transfer = phase(s.dns), phase(s.tcp), phase(s.tls), phase(s.ttfb), phase(s.transfer)
	r.CertExpiresAt, r.NextScheduledAt = moment(s.cert), moment(s.next)
	if len(r.ValidationErrors) == 0 {
		r.ValidationErrors = nil
	}
	if s.headers != "" {
		if err := json.Unmarshal([]byte(s.headers), &r.Headers); err != nil {
			return fmt.Errorf("decode headers: %w", err)
		}
	}
	return nil
}

func phaseUS(d time.Duration) int64 {
	if d == events.Absent {
		return -1
	}
	return max(us(d), 0)
}

func phase(us int64) time.Duration {
	if us < 0 {
		return events.Absent
	}
	return fromUS(us)
}
