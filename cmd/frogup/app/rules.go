package app

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/frogstats/uptime/cmd/frogup/config"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/alerts"
)

// The rules of the settings: each error continues the key and the value.

const minClusterKey = 32 // characters

func logLevelRule(text string) error {
	var level slog.Level
	if level.UnmarshalText([]byte(text)) != nil {
		return errors.New("must be debug, info, warn or error")
	}
	return nil
}

func oneOf(words ...string) func(string) error {
	return func(text string) error {
		for _, w := range words {
			if text == w {
				return nil
			}
		}
		return fmt.Errorf("must be %s", strings.Join(words, " or "))
	}
}

func urlRule(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("must be a URL such as http://127.0.0.1:4317")
	}
	return nil
}

func ratioRule(text string) error {
	if r, err := strconv.ParseFloat(text, 64); err != nil || !(r > 0 && r <= 1) {
		return errors.New("must be above 0 and at most 1")
	}
	return nil
}

func shareRule(text string) error {
	if r, err := strconv.ParseFloat(text, 64); err != nil || !(r >= 0 && r <= 1) {
		return errors.New("must be from 0 to 1")
	}
	return nil
}

func addressRule(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("must be an address such as 127.0.0.1:8080 or :8080")
	}
	return nil
}

const off = "off"

func addressOrOff(text string) error {
	if text == off || text == "" {
		return nil
	}
	return addressRule(text)
}

// targetRule refuses what would only fail when the first call is made.
func targetRule(text string) error {
	endpoint := text
	if _, rest, ok := strings.Cut(text, "://"); ok {
		if _, endpoint, ok = strings.Cut(rest, "/"); !ok {
			return errors.New("must be host:port, or dns:///host:port with three slashes")
		}
		if strings.Contains(endpoint, ",") {
			return errors.New("of several addresses each is host:port, without dns:///")
		}
	}
	for one := range strings.SplitSeq(endpoint, ",") {
		host, _, err := net.SplitHostPort(strings.TrimSpace(one))
		if err != nil || host == "" {
			return errors.New("must be host:port, dns:///host:port, or several host:port with commas")
		}
	}
	return nil
}

func keyRule(text string) error {
	if len(text) < minClusterKey {
		return fmt.Errorf("must have at least %d characters", minClusterKey)
	}
	return nil
}

func keysetRule(text string) error {
	if _, err := openKeyset(text); err != nil {
		return errors.New("must be keys as frogup setup makes them, or as frogup serve keeps them in secret.keyset")
	}
	return nil
}

// openKeyset reads keys in the form for variables, or in that of the file that serve keeps.
func openKeyset(text string) (*secret.Box, error) {
	if text = strings.TrimSpace(text); strings.HasPrefix(text, "{") {
		text = base64.StdEncoding.EncodeToString([]byte(text))
	}
	return secret.FromEnv(text)
}

// regionCode is what the monitors service takes for a region.
var regionCode = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)

func regionRule(text string) error {
	if !regionCode.MatchString(text) {
		return errors.New("must be 1 to 64 letters, digits and, inside, dots, hyphens and underscores")
	}
	return nil
}

func cidrRule(text string) error {
	if _, err := netip.ParsePrefix(text); err != nil {
		return errors.New("must be a CIDR such as 10.0.0.0/8")
	}
	return nil
}

func notNegative(text string) error {
	if strings.HasPrefix(text, "-") {
		return errors.New("must not be negative")
	}
	return nil
}

func atLeast(least time.Duration) func(string) error {
	return durationRule(func(d time.Duration) bool { return d >= least }, "must be at least "+shortDuration(least))
}

func atMost(most time.Duration) func(string) error {
	return durationRule(func(d time.Duration) bool { return d <= most }, "must be at most "+shortDuration(most))
}

func durationRule(fine func(time.Duration) bool, rule string) func(string) error {
	return func(text string) error {
		if d, err := config.ParseDuration(text); err != nil || !fine(d) {
			return errors.New(rule)
		}
		return nil
	}
}

// schemeRule wants the address of a store that can be opened.
func schemeRule(schemes []string) func(string) error {
	return func(text string) error {
		scheme, rest, ok := strings.Cut(text, ":")
		for _, s := range schemes {
			if ok && s == scheme && strings.Trim(rest, "/") != "" {
				return nil
			}
		}
		return fmt.Errorf("must begin with %s", strings.Join(schemes, ":, ")+":")
	}
}

// unstableRule is for how many changes make a monitor unstable.
func unstableRule(text string) error {
	if n, err := strconv.Atoi(text); err != nil || n != 0 && n < alerts.MinFlapping || n > 100 {
		return fmt.Errorf("must be 0, or between %d and 100", alerts.MinFlapping)
	}
	return nil
}
