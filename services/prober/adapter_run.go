package prober

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
	"github.com/frogstats/uptime/services/prober/rules"
)

// prepared is a check that can run any number of times, at once too.
type prepared struct {
	test     nettest.NetworkTest
	http     *nettest.HTTPCheck // of http, for the first attempt
	config   nettest.TestConfig
	set      *rules.Set
	target   string
	url      string
	port     *uint32
	attempts int
	pause    time.Duration
	// eachAttempt says that the time is for each attempt, not for all together.
	eachAttempt bool
	// connects says that there is nothing but one connection to open.
	connects bool
}

// ofGivenServers reports whether an error is the trouble of name servers that a monitor brought, and so none of this prober's.
func ofGivenServers(c check, r *checkv1.CheckResult) bool {
	p, ok := c.(*prepared)
	return ok && r.GetErrorType() == string(nettest.ErrResolverUnavailable) && p.config.DNS != nil && len(p.config.DNS.Servers) > 0
}

func (p *prepared) host() string { return p.target }

func (p *prepared) plain() (nettest.TestConfig, bool) { return p.config, p.connects }

func (p *prepared) run(ctx context.Context, r *checkv1.CheckResult) { p.explained(ctx, r, false) }

func (p *prepared) runDetailed(ctx context.Context, r *checkv1.CheckResult) {
	p.explained(ctx, r, true)
}

// record implements check. t is not kept.
func (p *prepared) record(r *checkv1.CheckResult, t *nettest.TestResult, err error) {
	r.MonitorUrl, r.Port, r.Attempt = p.url, p.port, 1
	if err != nil && p.set.Asserts() {
		own := *t
		t = &own
		_ = p.reconcile(t, err) // t tells what remains
	}
	fill(r, t)
	r.ValidationErrors = slices.Clone(r.ValidationErrors)
}

// explained tries until one attempt succeeds; the last one is the result. What is the
// observer's fault is not tried again: the target has not been asked.
func (p *prepared) explained(ctx context.Context, r *checkv1.CheckResult, detailed bool) *failing {
	r.MonitorUrl, r.Port = p.url, p.port
	begun := time.Now()
	for n := 1; ; n++ {
		left := p.config.Timeout
		if !p.eachAttempt {
			left -= time.Since(begun)
		}
		t, verdict, err := p.once(ctx, left, n, detailed)
		last := err == nil || n == p.attempts || t.Status == nettest.StatusError
		if !last && !p.eachAttempt {
			// An attempt without time for it would only say that there was none.
			last = p.config.Timeout-time.Since(begun) < p.pause+leastAttempt
		}
		if last || !wait(ctx, p.pause) {
			r.Attempt = uint32(n)
			fill(r, t)
			if detailed {
				r.Details = detailsOf(t, verdict, time.Since(begun))
			}
			if err != nil && errors.Is(ctx.Err(), context.Canceled) {
				r.Status = checkv1.ResultStatus_RESULT_STATUS_ERROR // we were cut off; the target said nothing
			}
			if err == nil || !blames(r) {
				return nil
			}
			if len(t.Body) > evidenceSource {
				t.Body, t.BodyTruncated = bytes.Clone(t.Body[:evidenceSource]), true
			}
			return &failing{check: p, test: t, took: time.Since(begun)}
		}
	}
}

var _ explaining = (*prepared)(nil)

// left implements explaining, for checks that only connect: what t refers to is its addresses and texts.
func (p *prepared) left(t *nettest.TestResult) *failing {
	own := *t
	own.Addresses, own.ValidationErrors, own.Warnings = slices.Clone(t.Addresses), slices.Clone(t.ValidationErrors), slices.Clone(t.Warnings)
	return &failing{check: p, test: &own, took: t.Phases.Total}
}

// leastAttempt is the time that another attempt is worth beginning for.
const leastAttempt = time.Millisecond

// once makes one attempt within the time that is left. The verdict is made for
// details only.
func (p *prepared) once(ctx context.Context, left time.Duration, n int, detailed bool) (*nettest.TestResult, *rules.Verdict, error) {
	if !detailed {
		t, err := p.execute(ctx, left, n, nil)
		return t, nil, p.reconcile(t, err)
	}
	var verdict *rules.Verdict
	judge := p.set.Expect()
	if judge != nil {
		// Here the response is still whole.
		judge = func(t *nettest.TestResult) []string {
			v := p.set.Judge(t, nil)
			verdict = &v
			return v.Problems
		}
	}
	t, err := p.execute(ctx, left, n, judge)
	if verdict == nil {
		v := p.set.Judge(t, err)
		verdict = &v
	}
	return t, verdict, p.reconcile(t, err)
}

// execute runs the test; judge replaces the configuration's Expect unless nil.
func (p *prepared) execute(ctx context.Context, left time.Duration, n int, judge func(*nettest.TestResult) []string) (*nettest.TestResult, error) {
	if judge == nil && n == 1 && p.http != nil {
		return p.http.Execute(ctx)
	}
	config := p.config
	config.Timeout = left
	if judge != nil {
		switch c := config.Config.(type) {
		case nettest.TCPConfig:
			c.Expect = judge
			config.Config = c
		case nettest.TLSConfig:
			c.Expect = judge
			config.Config = c
		case nettest.HTTPConfig:
			c.Expect = judge
			config.Config = c
		}
	}
	return p.test.Execute(ctx, config)
}

// reconcile lets assertions judge an exchange that ended in an error, and rewrites
// t by what they say. It returns the error that remains.
func (p *prepared) reconcile(t *nettest.TestResult, err error) error {
	if err == nil || !p.set.Asserts() || t.Status == nettest.StatusError || errors.Is(err, nettest.ErrValidationFailed) {
		return err
	}
	v := p.set.Judge(t, err)
	t.Warnings = append(slices.Clip(t.Warnings), v.Warnings...)
	t.ValidationErrors = v.Problems
	switch {
	case v.Passed:
		t.Status, t.ErrorType, t.Error, t.FailedPhase = nettest.StatusSuccess, "", "", nettest.PhaseNone
		return nil
	case v.Stands:
		return err
	}
	text := fmt.Sprintf("%s is not as expected (%s", p.url, v.Problems[0])
	if n := len(v.Problems) - 1; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	text += ")"
	t.Status, t.ErrorType, t.Error, t.FailedPhase = nettest.StatusFailure, nettest.ErrValidationFailed, text, nettest.PhaseValidation
	return &nettest.CheckError{Type: nettest.ErrValidationFailed, Phase: nettest.PhaseValidation, Message: text, Err: err}
}

// wait pauses for d and says whether ctx is still alive.
func wait(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}
