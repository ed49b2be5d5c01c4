package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/frogstats/uptime/cmd/frogup/config"
	"github.com/frogstats/uptime/internal/telemetry/observe"
	"github.com/frogstats/uptime/services/alerts"
)

// deadmanSettings say whom to tell that all is well. Silence is the alarm: whoever is told nothing for some intervals tells
// people, by means that have nothing to do with this installation.
type deadmanSettings struct {
	url      string
	interval time.Duration
}

func (c *settings) deadmanSwitch(s *config.Set) {
	s.Text(&c.deadman.url, "deadman", "",
		"URL that is asked (GET) every deadman-interval while this process does all of its work; its owner gives the alarm "+
			"when that ceases; none means no switch", config.Secret, config.Rule(pingRule))
	s.Duration(&c.deadman.interval, "deadman-interval", time.Minute, "how often the URL of deadman is asked",
		config.Rule(atLeast(time.Second)))
}

func pingRule(text string) error {
	if urlRule(text) != nil {
		return errors.New("must be an http:// or https:// URL")
	}
	return nil
}

func (c *settings) notices(s *config.Set) {
	s.Duration(&c.noticeQuiet, "notice-quiet", alerts.DefaultNoticeQuiet,
		"how long a trouble of this installation has to be gone for its end to be told; one that returns before goes on",
		config.Rule(atLeast(time.Second)))
	s.Int(&c.flapping.Changes, "unstable-changes", 0,
		"how often a monitor has to go down and come up, within unstable-within, to be told to be unstable instead; 0 is never, 5 is the third outage",
		config.Rule(unstableRule))
	s.Duration(&c.flapping.Within, "unstable-within", 15*time.Minute,
		"the time in which such changes are counted, and after which an unstable monitor that has not changed is told to be steady",
		config.Rule(atLeast(time.Minute)))
}

const (
	deadmanTimeout = 10 * time.Second // of one ping
	deadmanAgain   = 2 * time.Second  // after a ping, or a look, that failed; once
	deadmanWatch   = 5 * time.Second  // how often to look while the process is unwell
	deadmanHops    = 5                // redirects
	deadmanRead    = 4 << 10          // bytes of the answer, so that the connection can be used again
)

// deadman tells somebody else that this process does its work. It says nothing while it does not.
type deadman struct {
	cfg    deadmanSettings
	well   func(context.Context) error
	client *http.Client
	agent  string
	log    *slog.Logger

	sent, failed, withheld atomic.Int64
	silent, undelivered    bool // what was logged
}

func newDeadman(cfg deadmanSettings, version string, log *slog.Logger, well func(context.Context) error) *deadman {
	return &deadman{cfg: cfg, well: well, agent: "frogup-deadman/" + version, log: log, client: &http.Client{
		Timeout:       deadmanTimeout,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second},
		CheckRedirect: sameScheme,
	}}
}

var errOtherScheme = errors.New("the answer leads to another scheme")

// sameScheme follows redirects, but does not go from https to anything else: the URL is a secret.
func sameScheme(req *http.Request, via []*http.Request) error {
	switch {
	case req.URL.Scheme != via[0].URL.Scheme:
		return errOtherScheme
	case len(via) > deadmanHops:
		return errors.New("too many redirects")
	}
	return nil
}

// watchParts lets the process know whether its rooms do their work, and tells the dead-man switch if there is to be one.
func (h *house) watchParts() error {
	h.group.Add("watch over the parts", func(ctx context.Context) error { return h.ready.followParts(ctx, h.log) })
	if h.cfg.deadman.url == "" {
		return nil
	}
	d := newDeadman(h.cfg.deadman, h.process.Version, h.log, h.ready.ailment)
	set := observe.New(h.telemetry.MeterProvider().Meter("github.com/frogstats/uptime/cmd/frogup"))
	set.CounterBy("frogup_deadman_pings", "Signs of life for the dead-man switch, by what became of them.", "result",
		map[string]func() int64{"sent": d.sent.Load, "failed": d.failed.Load, "withheld": d.withheld.Load})
	if err := set.Register(); err != nil {
		return fmt.Errorf("dead-man switch: %w", err)
	}
	h.group.Add("dead-man switch", d.run)
	return nil
}

// run gives signs of life until ctx ends.
func (d *deadman) run(ctx context.Context) error {
	defer d.client.CloseIdleConnections()
	pause := time.Duration(0)
	for d.wait(ctx, pause) {
		began := time.Now()
		if err := d.look(ctx); err != nil {
			d.withhold(ctx, err)
			pause = min(d.cfg.interval, deadmanWatch)
			continue
		}
		if d.silent {
			d.silent = false
			d.log.Info("dead-man switch: all is well again")
		}
		d.tell(ctx)
		pause = max(d.cfg.interval-time.Since(began), time.Millisecond)
	}
	return nil
}

// look asks whether the process does its work; one bad answer is forgiven.
func (d *deadman) look(ctx context.Context) error {
	err := d.well(ctx)
	if err != nil && d.wait(ctx, deadmanAgain) {
		err = d.well(ctx)
	}
	return err
}

func (d *deadman) withhold(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	d.withheld.Add(1)
	if !d.silent && !errors.Is(err, errStarting) && !errors.Is(err, errStopping) {
		d.silent = true
		d.log.Error("dead-man switch: no sign of life is given", "error", err.Error())
	}
}

func (d *deadman) tell(ctx context.Context) {
	err := d.ping(ctx)
	if err != nil && d.wait(ctx, deadmanAgain) {
		err = d.ping(ctx)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		d.failed.Add(1)
		if !d.undelivered {
			d.undelivered = true
			d.log.Warn("dead-man switch: the sign of life does not arrive", "error", err.Error())
		}
	default:
		d.sent.Add(1)
		if d.undelivered {
			d.undelivered = false
			d.log.Info("dead-man switch: the sign of life arrives again")
		}
	}
}

// ping asks once. Its errors do not hold the URL.
func (d *deadman) ping(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.cfg.url, nil)
	if err != nil {
		return errors.New("the URL cannot be used")
	}
	req.Header.Set("User-Agent", d.agent)
	resp, err := d.client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, deadmanRead) // the status has decided already
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("the answer is %s", resp.Status)
	}
	return nil
}

// withoutURL is err without the URL that net/http puts before it.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// wait returns false if ctx ends before d has passed.
func (*deadman) wait(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
