// Package monitors keeps what is watched, how often and from where, and tells probers and the other services about it.
package monitors

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/frogstats/uptime/internal/cron"
)

// Type is the kind of check.
type Type string

// The kinds of check.
const (
	TypeHTTP Type = "http"
	TypeTCP  Type = "tcp"
	TypeTLS  Type = "tls"
)

// Overlap is what happens to a slot that is due while the one before still runs.
type Overlap string

// The overlap policies.
const (
	OverlapSkip     Overlap = "skip"
	OverlapParallel Overlap = "parallel"
)

// Millis and Seconds are durations as the JSON of a configuration writes them, in the database as over REST.
type (
	Millis  int32
	Seconds int32
)

// Duration converts m.
func (m Millis) Duration() time.Duration { return time.Duration(m) * time.Millisecond }

// Duration converts s.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

// Config is everything about a monitor that people decide, every default filled in. It holds no secret: credentials and
// the values of secret headers are in Secrets. Its JSON has the names of the REST surface.
type Config struct {
	Name          string            `json:"name"`
	Type          Type              `json:"monitor_type"`
	Interval      Seconds           `json:"interval_seconds,omitempty"` // 0: Cron says when
	Cron          string            `json:"cron,omitempty"`             // "": Interval says when
	Timezone      string            `json:"timezone,omitempty"`         // IANA name, of Cron; "" is UTC
	Enabled       bool              `json:"enabled"`
	HTTP          *HTTPConfig       `json:"http_config,omitempty"` // exactly one of HTTP, TCP and TLS is set
	TCP           *TCPConfig        `json:"tcp_config,omitempty"`
	TLS           *TLSConfig        `json:"tls_config,omitempty"`
	DNS           *DNSConfig        `json:"dns_config,omitempty"` // nil: the prober's resolvers, for a minute
	Rules         []Rule            `json:"validation_rules"`
	Regions       []string          `json:"regions"` // never empty
	Retries       Retries           `json:"retries"`
	ConfirmDown   int32             `json:"confirm_down"`
	ConfirmUp     int32             `json:"confirm_up"`
	RetryInterval Seconds           `json:"retry_interval_seconds,omitempty"` // 0: follows the interval; see RetryEvery
	Overlap       Overlap           `json:"overlap"`
	Quorum        string            `json:"quorum"`                      // "any", "majority", "all" or a number
	DegradedAbove Millis            `json:"degraded_above_ms,omitempty"` // 0: never
	Labels        map[string]string `json:"labels"`
	ExternalID    string            `json:"external_id,omitempty"`
	ManagedBy     string            `json:"managed_by,omitempty"`
	DependsOn     []uint32          `json:"depends_on,omitempty"` // monitors of the organization; nil without any
}

// Retries repeats a failed attempt within its slot.
type Retries struct {
	Attempts int32  `json:"attempts"` // in all
	Delay    Millis `json:"delay_ms"` // between two
}

// Monitor is a stored configuration.
type Monitor struct {
	ID             uint32
	OrganizationID string
	Config         Config
	Sealed         []byte // Secrets, sealed; nil if there are none
	Version        uint32 // from 1, one more with every change
	Rev            int64  // place of the last change in the order of all changes; set by the store
	CreatedAt      time.Time
	UpdatedAt      time.Time
	ActiveSince    time.Time // created or last enabled: slots before this were never due
	CreatedBy      string    // user
	DeletedAt      time.Time // zero unless deleted
}

// Deleted reports whether m was deleted. Its row stays, because those who watch must learn of it.
func (m Monitor) Deleted() bool { return !m.DeletedAt.IsZero() }

// ETag is the entity tag of m's configuration.
func (m Monitor) ETag() string { return fmt.Sprintf(`"v%d"`, m.Version) }

// URL is what is checked: the URL, tcp://host:port or tls://host:port.
func (c Config) URL() string {
	switch {
	case c.TCP != nil:
		return "tcp://" + net.JoinHostPort(c.TCP.Host, strconv.Itoa(int(c.TCP.Port)))
	case c.TLS != nil:
		return "tls://" + net.JoinHostPort(c.TLS.Host, strconv.Itoa(int(c.TLS.Port)))
	case c.HTTP != nil:
		return c.HTTP.URL
	}
	return ""
}

// SearchText is what the filter q looks through, in lower case.
func (c Config) SearchText() string { return strings.ToLower(c.Name + "\n" + c.URL()) }

// SlotTime is the longest that one slot may take, all attempts and the pauses between them included. The timeout of an http
// or tls check is for all of that together, the timeout of a tcp check for each attempt.
func (c Config) SlotTime() time.Duration {
	switch {
	case c.HTTP != nil:
		return c.HTTP.Timeout.Duration()
	case c.TLS != nil:
		return c.TLS.Timeout.Duration()
	case c.TCP != nil:
		n := time.Duration(max(c.Retries.Attempts, 1))
		return n*c.TCP.Timeout.Duration() + (n-1)*c.Retries.Delay.Duration()
	}
	return 0
}

// Gap is the longest time between two neighbouring due slots. It is 0 for a schedule that Validate would refuse.
func (c Config) Gap() time.Duration {
	if c.Cron == "" {
		return c.Interval.Duration()
	}
	s, err := cron.Parse(c.Cron, c.Timezone)
	if err != nil {
		return 0
	}
	return s.LongestGap()
}

// The default of retry_interval_seconds is a third of the interval, within these.
const (
	minRetryEvery = 1 * time.Second
	maxRetryEvery = 20 * time.Second
)

// RetryEvery is the time from a first fault to the confirming check, in whole seconds: what was asked for, or a third of
// the gap between slots, at least 1 s and at most 20 s. It is not stored when it was not asked for, so that it follows the
// interval when that changes.
func (c Config) RetryEvery() time.Duration {
	if c.RetryInterval > 0 {
		return c.RetryInterval.Duration()
	}
	return min(max((c.Gap()/3).Truncate(time.Second), minRetryEvery), maxRetryEvery)
}

// keepDerived lets a retry interval that followed the interval go on doing so if the new value is the one that follows
// anyway: it was read in an answer and sent back with it. An answer sent back as it is thus changes nothing.
func (c *Config) keepDerived(old Config) {
	derived := *c
	derived.RetryInterval = 0
	if old.RetryInterval == 0 && derived.RetryEvery() == c.RetryEvery() {
		*c = derived
	}
}

// WorstCaseDelay is the longest time from a hard failure of the target to the verdict "down" in one region, with a prober
// that is on time:
//
//	gap + confirm_down·slot + (confirm_down − 1)·min(retry_interval, gap)
//
// where gap is the longest time between two due slots and slot is the longest time that one slot may take: the timeout, or
// for tcp attempts·timeout + (attempts − 1)·delay. At worst the target fails right after a check, so nothing is seen for one gap; then each of
// confirm_down checks takes its full time to fail, and between two of them lies the retry interval, counted from the end
// of the failed check, unless the schedule comes round earlier.
func (c Config) WorstCaseDelay() time.Duration {
	gap, n := c.Gap(), time.Duration(c.ConfirmDown)
	return gap + n*c.SlotTime() + (n-1)*min(c.RetryEvery(), gap)
}
