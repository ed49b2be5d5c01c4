package nettest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/nettest/faulttest"
)

func TestMain(m *testing.M) {
	if os.Getenv(namespaceEnv) != "" {
		os.Exit(insideNamespace())
	}
	goleak.VerifyTestMain(m)
}

func startFaults(t testing.TB) *faulttest.Server {
	t.Helper()
	s, err := faulttest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// grace is what a check may take beyond its timeout.
const grace = 100 * time.Millisecond

func TestHTTPFaults(t *testing.T) {
	s := startFaults(t)
	test := &nettest.HTTPTest{TLS: &tls.Config{RootCAs: s.Roots()}}
	for _, c := range faulttest.Cases() {
		t.Run(string(c.Fault), func(t *testing.T) {
			t.Parallel()
			config := nettest.TestConfig{
				Name: string(c.Fault), Address: s.URL(c.Fault), Timeout: 10 * time.Second,
				Config: nettest.HTTPConfig{FollowRedirects: true},
			}
			if c.Stalls {
				config.Timeout = 700 * time.Millisecond
			}
			began := time.Now()
			result, err := test.Execute(context.Background(), config)
			elapsed := time.Since(began)

			checkResult(t, config, result, err)
			if string(result.Status) != c.Status || string(result.ErrorType) != c.ErrorType ||
				c.Phase != "" && string(result.FailedPhase) != c.Phase {
				t.Errorf("%s: got %s %s in phase %q (%v: %v), want %s %s in %q",
					c.About, result.Status, result.ErrorType, result.FailedPhase, err, errors.Unwrap(err),
					c.Status, c.ErrorType, c.Phase)
			}
			if elapsed > config.Timeout+grace {
				t.Errorf("took %s with a timeout of %s", elapsed, config.Timeout)
			}
			if c.Stalls && elapsed < config.Timeout {
				t.Errorf("gave up after %s, before the timeout of %s", elapsed, config.Timeout)
			}
		})
	}
}

// checkResult holds what is true of every result.
func checkResult(t *testing.T, config nettest.TestConfig, r *nettest.TestResult, err error) {
	t.Helper()
	if r == nil {
		t.Fatal("no result")
	}
	if r.EndpointID != config.Name || r.Timestamp.IsZero() || r.Attempt != 1 {
		t.Errorf("incomplete result: %+v", r)
	}
	var sum time.Duration
	for _, span := range []nettest.Span{r.Phases.DNS, r.Phases.Connect, r.Phases.TLS, r.Phases.TTFB, r.Phases.Transfer} {
		if !span.Valid && span.Duration != 0 {
			t.Errorf("a phase that did not happen took %s", span.Duration)
		}
		sum += span.Duration
	}
	if math.Abs(float64(sum-r.Phases.Total)) > float64(time.Millisecond) {
		t.Errorf("phases sum to %s, total is %s: %+v", sum, r.Phases.Total, r.Phases)
	}
	if r.Status == nettest.StatusSuccess {
		if err != nil || r.Error != "" || r.ErrorType != "" || r.FailedPhase != "" {
			t.Errorf("success with an error: %v, %+v", err, r)
		}
		return
	}
	var failed *nettest.CheckError
	if !errors.As(err, &failed) || !errors.Is(err, r.ErrorType) || failed.Phase != r.FailedPhase {
		t.Errorf("error %#v does not fit the result %+v", err, r)
	}
	if r.ErrorType.Status() != r.Status {
		t.Errorf("status %s with type %s", r.Status, r.ErrorType)
	}
	if r.Error == "" || strings.ContainsAny(r.Error, "\r\n\x00") {
		t.Errorf("unfit message %q", r.Error)
	}
}
