package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newAlerts(p Process) *cobra.Command {
	r := &remote{process: p}
	c := &cobra.Command{
		Use:     "alerts",
		Aliases: []string{"alert"},
		Short:   "Try alert rules on the past of a running server; or run the alerts service alone",
		Example: `  frogup alerts backtest 7 --failures 3
  frogup alerts backtest 7 --slower-than 800ms --days 90

  frogup alerts --config /etc/frogup.yaml`,
		Args: cobra.NoArgs,
	}
	service, err := findRole("alerts")
	if err != nil {
		panic(err)
	}
	service.into(p, c)
	f := c.PersistentFlags()
	f.StringVar(&r.server, "server", "", "of the commands: URL of the server (env FROGUP_SERVER, default "+defaultServer+")")
	f.StringVar(&r.key, "api-key", "", "of the commands: API key (env FROGUP_API_KEY or FROGUP_API_KEY_FILE)")
	sub := newAlertsBacktest(r)
	sub.Long += remoteHelp
	c.AddCommand(sub)
	return c
}

// backtestPlan is what frogup alerts backtest is asked.
type backtestPlan struct {
	failures     int
	slowerThan   time.Duration
	uptimeBelow  float64
	certificate  int
	regions      int
	noData       time.Duration
	percentile   float64
	above        time.Duration
	within       time.Duration
	alert        uint32
	down, up     uint32
	quorum       string
	window       windowPlan
	days         int
	from, to     string
	asJSON, long bool
}

func newAlertsBacktest(r *remote) *cobra.Command {
	var plan backtestPlan
	c := &cobra.Command{
		Use:   "backtest MONITOR",
		Short: "Replay a monitor's history through a rule that is not saved yet",
		Long: `Backtest says when a rule would have triggered, for how long and why, and what it would
have done otherwise than the rules that the monitor has. Any one of its conditions is
enough, as in a saved rule. The history goes through the code that evaluates live
checks; nothing is saved or sent.

With --alert the proposal replaces that rule: without conditions of its own it has those
of that rule, and it is compared with that rule only. With --confirm-down, --confirm-up
or --quorum the history is also judged as if the monitor were set so.

In maintenance nobody is told: what a rule triggers in a window and resolves in it is
SILENCED, and what still holds at its end triggers then. The windows that there were
count in any case, and with --window one more for the proposed rule: START/END or
START/LENGTH for one that comes once, otherwise an RRULE or a cron expression with
--window-length and --window-zone.

ADDED are times that only the proposed rule triggers, DROPPED those that only the other
does, and SOONER is by how much the proposed one tells of what both tell of. A rule is
silent about time of which nothing is known: COVERAGE says how much is.`,
		Example: `  frogup alerts backtest 7 --failures 3
  frogup alerts backtest 7 --slower-than 800ms --uptime-below 99.5 --days 90
  frogup alerts backtest 7 --percentile 95 --percentile-above 800ms --percentile-window 10m
  frogup alerts backtest 7 --alert 12 --confirm-down 3 --quorum any
  frogup alerts backtest 7 --failures 2 --window "0 3 * * 0" --window-length 2h --window-zone Europe/Berlin
  frogup alerts backtest 7 --failures 2 --window 2026-11-20T22:00:00Z/4h
  frogup alerts backtest 7 --failures 2 --json | jq .proposed.times`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeIDs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			body, err := plan.body(id, c.Flags().Changed, time.Now())
			if err != nil {
				return err
			}
			return r.backtest(c.Context(), id, body, plan)
		},
	}
	plan.register(c)
	return c
}

func (p *backtestPlan) register(c *cobra.Command) {
	f := c.Flags()
	f.IntVar(&p.failures, "failures", 0, "condition: so many checks in a row fail, 1 to 100")
	f.DurationVar(&p.slowerThan, "slower-than", 0, "condition: a success takes longer, such as 800ms")
	f.Float64Var(&p.uptimeBelow, "uptime-below", 0, "condition: uptime of the last 24 hours is below, in percent")
	f.IntVar(&p.certificate, "certificate-days", 0, "condition: the certificate expires within so many days, 1 to 3650")
	f.IntVar(&p.regions, "degraded-regions", 0, "condition: so many regions see it down, but it is not as a whole, 1 to 100")
	f.DurationVar(&p.noData, "no-data", 0, "condition: nothing has been known for so long, such as 10m")
	f.Float64Var(&p.percentile, "percentile", 0, "condition: that percentile of response times is above --percentile-above, 50 to 99.9")
	f.DurationVar(&p.above, "percentile-above", 0, "of --percentile: the threshold, such as 800ms")
	f.DurationVar(&p.within, "percentile-window", 0, "of --percentile: how far it looks back, 1m to 24h")
	f.Uint32Var(&p.alert, "alert", 0, "the rule that the proposal would replace")
	f.Uint32Var(&p.down, "confirm-down", 0, "as if the monitor needed so many failures in a row to be down, 1 to 100")
	f.Uint32Var(&p.up, "confirm-up", 0, "as if the monitor needed so many successes in a row to be up, 1 to 100")
	f.StringVar(&p.quorum, "quorum", "", "as if so many regions made the monitor down: any, majority, all or a number")
	f.StringVar(&p.window.when, "window", "", "as if there were this maintenance window: START/END, START/LENGTH, an RRULE or a cron expression")
	f.DurationVar(&p.window.length, "window-length", 0, "of --window: how long one that comes again lasts, 1m to 168h")
	f.StringVar(&p.window.zone, "window-zone", "", "of --window: time zone of an RRULE or cron expression (default UTC)")
	f.IntVar(&p.days, "days", 30, "days back from the end, 1 to 90")
	f.StringVar(&p.from, "from", "", "first moment in place of --days, such as 2026-11-01 or 2026-11-01T08:00:00Z")
	f.StringVar(&p.to, "to", "", "end, exclusive; absent means now")
	f.BoolVar(&p.long, "all", false, "list every time that the proposed rule triggers, not the last ten")
	f.BoolVar(&p.asJSON, "json", false, "print the JSON as the server has it")
	c.MarkFlagsMutuallyExclusive("days", "from")
	c.MarkFlagsRequiredTogether("percentile", "percentile-above", "percentile-window")
}

// conditions are those that were given. Whether they are in bounds is the server's to say.
func (p *backtestPlan) conditions(given func(string) bool) (map[string]any, error) {
	conditions := map[string]any{}
	if given("failures") {
		conditions["consecutive_failures"] = p.failures
	}
	if given("slower-than") {
		if p.slowerThan < time.Millisecond {
			return nil, fmt.Errorf("--slower-than %v: must be a millisecond at least", p.slowerThan)
		}
		conditions["response_time_threshold_ms"] = p.slowerThan.Milliseconds()
	}
	if given("uptime-below") {
		conditions["uptime_percentage_threshold"] = p.uptimeBelow
	}
	if given("certificate-days") {
		conditions["certificate_days_left"] = p.certificate
	}
	if given("degraded-regions") {
		conditions["degraded_regions"] = p.regions
	}
	if given("no-data") {
		if p.noData < time.Second {
			return nil, fmt.Errorf("--no-data %v: must be a second at least", p.noData)
		}
		conditions["no_data_seconds"] = int64(p.noData / time.Second)
	}
	if given("percentile") {
		if p.above < time.Millisecond {
			return nil, fmt.Errorf("--percentile-above %v: must be a millisecond at least", p.above)
		}
		if p.within < time.Second {
			return nil, fmt.Errorf("--percentile-window %v: must be a second at least", p.within)
		}
		conditions["response_time_percentile"] = map[string]any{
			"percentile": p.percentile, "threshold_ms": p.above.Milliseconds(), "window_seconds": int64(p.within / time.Second),
		}
	}
	return conditions, nil
}

// body is the request.
func (p *backtestPlan) body(id uint32, given func(string) bool, now time.Time) ([]byte, error) {
	conditions, err := p.conditions(given)
	if err != nil {
		return nil, err
	}
	body := map[string]any{"monitor_id": id}
	switch {
	case len(conditions) > 0:
		body["conditions"] = conditions
	case !given("alert"):
		return nil, errors.New("say when the rule triggers, such as --failures 3, or --alert for the conditions of a rule that there is")
	}
	for name, value := range map[string]uint32{"alert": p.alert, "confirm-down": p.down, "confirm-up": p.up} {
		if given(name) {
			body[map[string]string{"alert": "alert_id", "confirm-down": "confirm_down", "confirm-up": "confirm_up"}[name]] = value
		}
	}
	if given("quorum") {
		body["quorum"] = p.quorum
	}
	if given("window") {
		if body["maintenance_window"], err = p.window.body(); err != nil {
			return nil, err
		}
	} else if given("window-length") || given("window-zone") {
		return nil, errors.New("--window-length and --window-zone are of --window, which is not there")
	}
	end, err := parseMoment("--to", p.to, now)
	if err != nil {
		return nil, err
	}
	start, err := parseMoment("--from", p.from, end.AddDate(0, 0, -p.days))
	if err != nil {
		return nil, err
	}
	body["start_date"], body["end_date"] = start.UTC().Format(time.RFC3339Nano), end.UTC().Format(time.RFC3339Nano)
	return json.Marshal(body)
}

// windowPlan is a maintenance window as flags say it.
type windowPlan struct {
	when   string
	length time.Duration
	zone   string
}

// body is the window as the server reads it. Whether a rule is one is the server's to say.
func (w windowPlan) body() (map[string]any, error) {
	out := map[string]any{}
	if from, until, once := strings.Cut(w.when, "/"); once && isMoment(from) {
		start, err := parseMoment("--window", from, time.Time{})
		if err != nil {
			return nil, err
		}
		end, err := parseMoment("--window", until, time.Time{})
		if length, wrong := time.ParseDuration(until); wrong == nil {
			end, err = start.Add(length), nil
		}
		if err != nil {
			return nil, fmt.Errorf("--window %q: must end with a time, or with a length such as 4h", w.when)
		}
		if w.length != 0 || w.zone != "" {
			return nil, errors.New("--window-length and --window-zone are of windows that come again")
		}
		out["starts_at"], out["ends_at"] = start.UTC().Format(time.RFC3339Nano), end.UTC().Format(time.RFC3339Nano)
		return out, nil
	}
	if w.length < time.Second {
		return nil, errors.New("--window with an RRULE or a cron expression needs --window-length, such as 2h")
	}
	out[pick(strings.Contains(strings.ToUpper(w.when), "FREQ="), "rrule", "cron")] = w.when
	out["duration_seconds"] = int64(w.length / time.Second)
	if w.zone != "" {
		out["timezone"] = w.zone
	}
	return out, nil
}

// isMoment tells a time from the first field of a cron expression, which may have a slash too.
func isMoment(text string) bool {
	_, err := parseMoment("", text, time.Time{})
	return err == nil && text != ""
}

// parseMoment reads a date, which begins in UTC, or a time; without a text it is absent.
func parseMoment(flag, text string, absent time.Time) (time.Time, error) {
	if text == "" {
		return absent, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s %q: must be a date such as 2026-11-01 or a time such as 2026-11-01T08:00:00Z", flag, text)
}

func (r *remote) backtest(ctx context.Context, id uint32, body []byte, plan backtestPlan) error {
	cl, err := r.client()
	if err != nil {
		return err
	}
	stop := r.process.spin("replaying the history of monitor " + fmt.Sprint(id))
	doc, _, err := cl.do(ctx, http.MethodPost, "alerts:backtest", nil, body)
	stop()
	if notFound(err) {
		fmt.Fprintf(r.process.Stderr, "frogup: there is no monitor %d%s\n", id, pick(plan.alert != 0, fmt.Sprintf(" with an alert %d", plan.alert), ""))
		return exitCode(exitNo)
	}
	if err != nil {
		return err
	}
	out := r.process.terminal()
	if plan.asJSON {
		return printJSON(out, json.RawMessage(doc))
	}
	var v backtestView
	if err := json.Unmarshal(doc, &v); err != nil {
		return fmt.Errorf("read the backtest: %w", err)
	}
	out.backtest(&v, plan.long, isTerminal(r.process.Stdout))
	return nil
}
