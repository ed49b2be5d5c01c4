package monitors

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/frogstats/uptime/internal/cron"
	"github.com/frogstats/uptime/internal/fault"
)

// problems collects what is wrong with a configuration, field by field.
type problems []fault.Field

// add notes a problem. Of several with one field the first stands: later ones often follow from it.
func (p *problems) add(field, format string, args ...any) {
	for _, f := range *p {
		if f.Name == field {
			return
		}
	}
	*p = append(*p, fault.Field{Name: field, Message: fmt.Sprintf(format, args...)})
}

func (p *problems) err() error {
	if len(*p) == 0 {
		return nil
	}
	return fault.Invalid("", *p...)
}

// between notes v if it is not within lo and hi.
func between[N ~int32](p *problems, field string, v, lo, hi N) {
	if v < lo || v > hi {
		p.add(field, "must be between %d and %d", lo, hi)
	}
}

// Limits of a configuration. The schema has the same; the domain checks them again because a merged configuration never
// passed the schema as a whole.
const (
	maxNameRunes       = 200
	maxInterval        = Seconds(86_400)
	maxCronBytes       = 256
	maxRules           = 50
	maxExpressions     = 16 << 10 // bytes of CEL
	maxRegions         = 32
	maxRegionBytes     = 64
	maxAttempts        = 10
	maxRetryDelay      = Millis(60_000)
	maxConfirm         = 100
	maxRetryInterval   = Seconds(3600)
	maxDegradedAbove   = Millis(300_000)
	maxLabels          = 64
	maxLabelRunes      = 200
	maxExternalIDBytes = 200
	maxManagedByBytes  = 100
)

// LocalRegion is the region that always exists.
const LocalRegion = "local"

// labelKey is letters and digits, with separators inside.
var labelKey = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$`)

// validate checks c as a whole and brings what has several spellings (hosts, URLs) into its canonical one. knownRegion says
// which regions exist; s is what belongs to c, hiddenKey in it what is stored and was not opened. A draft, which is checked once and not stored, needs neither a name nor a schedule.
func (c *Config) validate(draft bool, s Secrets, knownRegion func(string) bool, p *problems) {
	c.validateName(draft, p)
	c.validateTarget(s, p)
	c.DNS.validate(p)
	c.validateSchedule(draft, p)
	if len(c.Rules) > maxRules {
		p.add("validation_rules", "must have at most %d entries", maxRules)
	}
	expressions := 0
	for i, r := range c.Rules {
		if text, ok := r.Value.(string); ok && r.Type == RuleCEL {
			if expressions += len(text); expressions > maxExpressions { // reading them costs time here and in every prober
				p.add("validation_rules", "must have at most %d bytes of CEL in all", maxExpressions)
				break
			}
		}
		r.validate(fmt.Sprintf("validation_rules[%d]", i), c, p)
	}
	c.validateRegions(knownRegion, p)
	c.validateVerdict(p)
	c.validateLabels(p)
	printable("external_id", c.ExternalID, maxExternalIDBytes, p)
	printable("managed_by", c.ManagedBy, maxManagedByBytes, p)
	c.validateDependencies(p)
}

func (c *Config) validateName(draft bool, p *problems) {
	switch {
	case c.Name == "" && draft:
	case c.Name == "":
		p.add("name", "is required")
	case strings.TrimSpace(c.Name) == "":
		p.add("name", "must not be blank")
	case utf8.RuneCountInString(c.Name) > maxNameRunes:
		p.add("name", "must be at most %d characters", maxNameRunes)
	case strings.ContainsFunc(c.Name, isControl):
		p.add("name", "must not hold control characters")
	}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func printable(field, v string, maxBytes int, p *problems) {
	if len(v) > maxBytes {
		p.add(field, "must be at most %d bytes", maxBytes)
	}
	if strings.ContainsFunc(v, isControl) {
		p.add(field, "must not hold control characters")
	}
}

func (c *Config) validateTarget(s Secrets, p *problems) {
	kinds := [...]struct {
		kind Type
		name string
		set  bool
	}{
		{TypeHTTP, "http_config", c.HTTP != nil}, {TypeTCP, "tcp_config", c.TCP != nil}, {TypeTLS, "tls_config", c.TLS != nil},
	}
	known := false
	for _, k := range kinds {
		known = known || c.Type == k.kind
	}
	switch {
	case c.Type == "":
		p.add("monitor_type", "is required")
	case !known:
		p.add("monitor_type", "must be one of http, tcp, tls")
	}
	for _, k := range kinds {
		switch {
		case c.Type == k.kind && !k.set:
			p.add(k.name, "is required for a monitor of type %s", c.Type)
		case known && c.Type != k.kind && k.set:
			p.add(k.name, "must be absent for a monitor of type %s", c.Type)
		}
	}
	if c.HTTP != nil {
		c.HTTP.validate("http_config", s, p)
	}
	if c.TCP != nil {
		c.TCP.validate("tcp_config", s.ClientKey, p)
	}
	if c.TLS != nil {
		c.TLS.validate("tls_config", s.ClientKey, p)
	}
}

func (c *Config) validateSchedule(draft bool, p *problems) {
	const one = "exactly one of interval_seconds and cron is required"
	switch hasInterval, hasCron := c.Interval != 0, c.Cron != ""; {
	case hasInterval && hasCron:
		p.add("interval_seconds", one+"; set interval_seconds to null for a cron schedule")
		p.add("cron", one+"; set cron to null for an interval")
	case !hasInterval && !hasCron && !draft:
		p.add("interval_seconds", one)
		p.add("cron", one)
	}
	if c.Interval != 0 {
		between(p, "interval_seconds", c.Interval, 1, maxInterval)
	}
	if c.Cron == "" {
		if c.Timezone != "" {
			p.add("timezone", "must be absent without cron")
		}
		return
	}
	if len(c.Cron) > maxCronBytes {
		p.add("cron", "must be at most %d bytes", maxCronBytes)
		return
	}
	_, err := cron.Parse(c.Cron, c.Timezone)
	var zone *cron.ZoneError
	if errors.As(err, &zone) {
		p.add("timezone", "%s", err.Error())
		_, err = cron.Parse(c.Cron, "")
	}
	if err != nil {
		p.add("cron", "%s", err.Error())
	}
}

func (c *Config) validateRegions(known func(string) bool, p *problems) {
	if len(c.Regions) == 0 || len(c.Regions) > maxRegions {
		p.add("regions", "must have between 1 and %d entries", maxRegions)
	}
	for i, r := range c.Regions {
		field := fmt.Sprintf("regions[%d]", i)
		if slices.Contains(c.Regions[:i], r) {
			p.add(field, "region %q is there twice", r)
		}
		if !known(r) {
			p.add(field, "unknown region %q", r)
		}
	}
}

// validateVerdict checks what turns results into a state.
func (c *Config) validateVerdict(p *problems) {
	between(p, "retries.attempts", c.Retries.Attempts, 1, maxAttempts)
	between(p, "retries.delay_ms", c.Retries.Delay, 0, maxRetryDelay)
	between(p, "confirm_down", c.ConfirmDown, 1, maxConfirm)
	between(p, "confirm_up", c.ConfirmUp, 1, maxConfirm)
	if c.RetryInterval != 0 {
		between(p, "retry_interval_seconds", c.RetryInterval, 1, maxRetryInterval)
	}
	if c.DegradedAbove != 0 {
		between(p, "degraded_above_ms", c.DegradedAbove, 1, maxDegradedAbove)
	}
	if c.Overlap != OverlapSkip && c.Overlap != OverlapParallel {
		p.add("overlap", "must be one of skip, parallel")
	}
	switch c.Quorum {
	case "any", "majority", "all":
		return
	}
	n, err := strconv.Atoi(c.Quorum)
	switch {
	case err != nil || n < 1 || strconv.Itoa(n) != c.Quorum:
		p.add("quorum", `must be "any", "majority", "all" or a number of regions`)
	case n > len(c.Regions):
		p.add("quorum", "asks for %d regions, and the monitor has %d", n, len(c.Regions))
	}
}

func (c *Config) validateLabels(p *problems) {
	if len(c.Labels) > maxLabels {
		p.add("labels", "must have at most %d entries", maxLabels)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		field := fmt.Sprintf("labels[%q]", key)
		if !labelKey.MatchString(key) {
			p.add(field, "key must be 1 to 63 letters, digits and, inside, dots, slashes, hyphens and underscores")
		}
		if utf8.RuneCountInString(c.Labels[key]) > maxLabelRunes {
			p.add(field, "must be at most %d characters", maxLabelRunes)
		}
		if strings.ContainsFunc(c.Labels[key], isControl) {
			p.add(field, "must not hold control characters")
		}
	}
}
