package alerts

import (
	"encoding/json"
	"time"

	"github.com/frogstats/uptime/internal/fault"
)

// MaxRulesPerMonitor bounds what one check can set off.
const MaxRulesPerMonitor = 50

// Rule is one row of uptime_alerts: when something holds about a monitor, tell one target.
type Rule struct {
	ID             uint32
	OrganizationID string
	MonitorID      uint32
	Type           string // key of Notifiers
	Config         Config
	Conditions     Conditions
	Severity       Severity
	Enabled        bool
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Triggered      bool // read-only: a trigger of it is open
}

// Config is how a target is reached: the part that anybody in the organization may read, and the part that is sealed.
type Config struct {
	Public json.RawMessage
	Sealed []byte // nil when the type has nothing to hide
}

// Severity is how much a rule matters.
type Severity string

// The severities.
const (
	SeverityCritical Severity = "critical"
	SeverityHigh     Severity = "high" // of a rule that does not say
	SeverityMedium   Severity = "medium"
	SeverityLow      Severity = "low"
	SeverityInfo     Severity = "info"
)

// Conditions trigger a rule; any one that holds is enough. A zero field is a condition that was not asked for.
type Conditions struct {
	Failures     int           // consecutive target faults, at least so many
	ResponseTime time.Duration // a success took longer
	Uptime       float64       // percent of the last 24 hours, below
	Certificate  int           // days until it expires, less than
	Regions      int           // regions that see it down while it is not as a whole, at least so many
	NoData       time.Duration // nothing was known of it, for so long; whole seconds
	Percentile   Percentile    // of response times, above a threshold
}

// Percentile is a condition about the response times of successes.
type Percentile struct {
	Of     float64       // which one
	Above  time.Duration // whole milliseconds
	Window time.Duration // that is looked back; whole seconds
}

// The bounds of the conditions, ends included; a percentage must be above 0.
const (
	MaxFailures     = 100
	MaxResponseTime = 300 * time.Second
	MaxUptime       = 100
	MaxCertificate  = 3650
	MaxRegions      = 100
	MaxNoData       = 30 * 24 * time.Hour

	MinPercentile = 50
	MaxPercentile = 99.9
	MinWindow     = time.Minute
	MaxWindow     = 24 * time.Hour
)

// check says what is wrong: no condition at all, or one that is out of bounds.
func (c Conditions) check() []fault.Field {
	var bad []fault.Field
	if c.Failures < 0 || c.Failures > MaxFailures {
		bad = append(bad, fault.Field{Name: "conditions.consecutive_failures", Message: "must be between 1 and 100"})
	}
	if c.ResponseTime < 0 || c.ResponseTime > MaxResponseTime {
		bad = append(bad, fault.Field{Name: "conditions.response_time_threshold_ms", Message: "must be between 1 and 300000"})
	}
	if !(c.Uptime >= 0 && c.Uptime <= MaxUptime) { // in this form NaN is refused too
		bad = append(bad, fault.Field{Name: "conditions.uptime_percentage_threshold", Message: "must be above 0 and at most 100"})
	}
	if c.Certificate < 0 || c.Certificate > MaxCertificate {
		bad = append(bad, fault.Field{Name: "conditions.certificate_days_left", Message: "must be between 1 and 3650"})
	}
	if c.Regions < 0 || c.Regions > MaxRegions {
		bad = append(bad, fault.Field{Name: "conditions.degraded_regions", Message: "must be between 1 and 100"})
	}
	if c.NoData < 0 || c.NoData > MaxNoData {
		bad = append(bad, fault.Field{Name: "conditions.no_data_seconds", Message: "must be between 1 and 2592000"})
	}
	if p := c.Percentile; p != (Percentile{}) {
		const at = "conditions.response_time_percentile."
		if !(p.Of >= MinPercentile && p.Of <= MaxPercentile) {
			bad = append(bad, fault.Field{Name: at + "percentile", Message: "must be between 50 and 99.9"})
		}
		if p.Above < time.Millisecond || p.Above > MaxResponseTime {
			bad = append(bad, fault.Field{Name: at + "threshold_ms", Message: "must be between 1 and 300000"})
		}
		if p.Window < MinWindow || p.Window > MaxWindow {
			bad = append(bad, fault.Field{Name: at + "window_seconds", Message: "must be between 60 and 86400"})
		}
	}
	if c == (Conditions{}) {
		bad = append(bad, fault.Field{
			Name: "conditions",
			Message: "needs at least one of consecutive_failures, response_time_threshold_ms, uptime_percentage_threshold, " +
				"certificate_days_left, degraded_regions, no_data_seconds, response_time_percentile",
		})
	}
	return bad
}

// Trigger is one row of uptime_alert_history: one time that a rule held.
type Trigger struct {
	ID             uint32
	RuleID         uint32
	OrganizationID string
	MonitorID      uint32
	TriggeredAt    time.Time // by the check's time
	ResolvedAt     time.Time // zero while triggered
	Data           TriggerData
	Holding        Holding // empty once resolved
}

// TriggerData is why a rule triggered. It is shown, stored and sent as it stands here.
type TriggerData struct {
	Condition           string   `json:"condition"` // the field of the conditions
	Value               float64  `json:"value"`     // failures, milliseconds, percent, days, regions or seconds
	Threshold           float64  `json:"threshold"`
	Severity            Severity `json:"severity,omitempty"`
	Region              string   `json:"region,omitempty"`
	Status              Status   `json:"status,omitempty"`
	ConsecutiveFailures *uint32  `json:"consecutive_failures,omitempty"`
	ResponseTimeMS      *float64 `json:"response_time_ms,omitempty"`
	StatusCode          *uint32  `json:"status_code,omitempty"`
	ErrorType           string   `json:"error_type,omitempty"`
	ErrorMessage        string   `json:"error_message,omitempty"`
	MonitorName         string   `json:"monitor_name,omitempty"`
	MonitorURL          string   `json:"monitor_url,omitempty"`
	Maintenance         bool     `json:"maintenance,omitempty"` // it triggered in a maintenance window
	Percentile          float64  `json:"percentile,omitempty"`  // which one, of response times
	WindowSeconds       int64    `json:"window_seconds,omitempty"`
}

// Holding is which conditions of a triggered rule hold. A rule that is not triggered has none that do.
type Holding struct {
	Failures bool     `json:"failures,omitempty"`
	Slow     []string `json:"slow,omitempty"` // regions whose last successes were too slow, sorted
	Uptime   bool     `json:"uptime,omitempty"`
	Expiring []string `json:"expiring,omitempty"` // regions that were shown a certificate that ends soon, sorted
	Regions  bool     `json:"regions,omitempty"`
	NoData   bool     `json:"no_data,omitempty"`

	Percentile bool `json:"percentile,omitempty"`
}

func (h Holding) any() bool {
	return h.Failures || len(h.Slow) > 0 || h.Uptime || len(h.Expiring) > 0 || h.Regions || h.NoData || h.Percentile
}

// The names of the conditions, as in the contract.
const (
	conditionFailures     = "consecutive_failures"
	conditionResponseTime = "response_time_threshold_ms"
	conditionUptime       = "uptime_percentage_threshold"
	conditionCertificate  = "certificate_days_left"
	conditionRegions      = "degraded_regions"
	conditionNoData       = "no_data_seconds"
	conditionPercentile   = "response_time_percentile"
)
