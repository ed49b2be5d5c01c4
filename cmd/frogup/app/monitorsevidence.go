package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// evidencePlan is what frogup monitors evidence is asked.
type evidencePlan struct {
	incident uint32
	limit    int
	asJSON   bool
}

func newMonitorsEvidence(r *remote) *cobra.Command {
	var plan evidencePlan
	c := &cobra.Command{
		Use:   "evidence [MONITOR]",
		Short: "Say why a monitor failed: the first failing check and what was found out at once",
		Long: `Evidence prints what is kept of the first failing checks of a monitor, newest first: the
cause in one sentence, the steps by which the prober that saw it looked for it, and what
the target had answered. With --incident it is that of one incident, oldest first.

Credentials of the monitor are taken out of all of it.`,
		Example: `  frogup monitors evidence 7
  frogup monitors evidence --incident 12
  frogup monitors evidence 7 --json | jq -r '.[] | .cause'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: r.completeIDs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if (len(args) == 1) == c.Flags().Changed("incident") {
				return errors.New("say either which monitor, such as frogup monitors evidence 7, or which incident, by --incident")
			}
			path := "incidents/" + strconv.FormatUint(uint64(plan.incident), 10) + "/evidence"
			if len(args) == 1 {
				id, err := parseID(args[0])
				if err != nil {
					return err
				}
				path = monitorPath(id, "evidence")
			}
			return r.evidence(c.Context(), path, plan)
		},
	}
	f := c.Flags()
	f.Uint32Var(&plan.incident, "incident", 0, "of this incident, in place of a monitor")
	f.IntVar(&plan.limit, "limit", 3, "of a monitor, how many at most, 1 to 100")
	f.BoolVar(&plan.asJSON, "json", false, "print the JSON array as the server has it")
	return c
}

// evidence returns what there is at a path.
func (c *client) evidence(ctx context.Context, path string, query url.Values) ([]json.RawMessage, error) {
	answer, _, err := c.do(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return nil, err
	}
	var list struct {
		Evidence []json.RawMessage `json:"evidence"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, fmt.Errorf("read the evidence: %w", err)
	}
	return list.Evidence, nil
}

func (r *remote) evidence(ctx context.Context, path string, plan evidencePlan) error {
	cl, err := r.client()
	if err != nil {
		return err
	}
	query := url.Values{}
	if plan.incident == 0 {
		query.Set("limit", strconv.Itoa(plan.limit))
	}
	stop := r.process.spin("asking " + cl.base.Host)
	docs, err := cl.evidence(ctx, path, query)
	stop()
	if notFound(err) {
		fmt.Fprintf(r.process.Stderr, "frogup: there is no %s\n", strings.TrimSuffix(strings.Replace(path, "s/", " ", 1), "/evidence"))
		return exitCode(exitNo)
	}
	if err != nil {
		return err
	}
	out := r.process.terminal()
	if plan.asJSON {
		return printJSON(out, append([]json.RawMessage{}, docs...))
	}
	if len(docs) == 0 {
		fmt.Fprintln(r.process.Stderr, "no evidence is kept of it")
		return nil
	}
	for i, doc := range docs {
		var v evidenceView
		if err := json.Unmarshal(doc, &v); err != nil {
			return fmt.Errorf("read evidence: %w", err)
		}
		if i > 0 {
			fmt.Fprintln(out)
		}
		out.evidence(&v, time.Now())
	}
	return nil
}

// presentCause is why a monitor is down, if it is and that was found out; a server that is older, or that does not answer in
// time, leaves it out.
func (c *client) presentCause(ctx context.Context, id uint32, monitor json.RawMessage) string {
	var m monitorView
	if err := json.Unmarshal(monitor, &m); err != nil || m.status().Current != "down" && m.status().Current != "degraded" {
		return ""
	}
	docs, err := c.evidence(ctx, monitorPath(id, "evidence"), url.Values{"limit": {"1"}})
	if err != nil || len(docs) == 0 {
		return ""
	}
	var v evidenceView
	if err := json.Unmarshal(docs[0], &v); err != nil {
		return ""
	}
	return clean(v.Summary) + " (" + clean(v.Cause) + ", " + moment(v.ScheduledAt) + ")"
}

// evidenceView is what the command line shows of evidence.
type evidenceView struct {
	MonitorID    uint32    `json:"monitor_id"`
	Region       string    `json:"region"`
	ScheduledAt  time.Time `json:"scheduled_at"`
	Cause        string    `json:"cause"`
	Summary      string    `json:"summary"`
	FirstFailure struct {
		StatusCode   *int              `json:"status_code"`
		ErrorType    string            `json:"error_type"`
		ErrorMessage string            `json:"error_message"`
		FailedPhase  string            `json:"failed_phase"`
		ResolvedIP   string            `json:"resolved_ip"`
		Headers      map[string]string `json:"response_headers"`
		DNS          *float64          `json:"dns_time_us"`
		TCP          *float64          `json:"tcp_time_us"`
		TLS          *float64          `json:"tls_time_us"`
		TTFB         *float64          `json:"ttfb_us"`
		Transfer     *float64          `json:"transfer_time_us"`
	} `json:"first_failure"`
	Body *struct {
		Text      *string `json:"text"`
		Binary    bool    `json:"binary"`
		SizeBytes int64   `json:"size_bytes"`
		Truncated bool    `json:"truncated"`
	} `json:"body"`
	Steps []evidenceStepView `json:"steps"`
}

type evidenceStepView struct {
	Kind       string   `json:"kind"`
	Outcome    string   `json:"outcome"`
	Target     string   `json:"target"`
	Resolver   string   `json:"resolver"`
	Family     string   `json:"family"`
	Addresses  []string `json:"addresses"`
	DurationUS *float64 `json:"duration_us"`
	ErrorType  string   `json:"error_type"`
	Detail     string   `json:"detail"`
	StatusCode *int     `json:"status_code"`
}

// evidence prints the cause first: most look no further.
func (t terminal) evidence(v *evidenceView, now time.Time) {
	fmt.Fprintf(t, "%s  %s\n", t.paint(red, "✘ "+clean(v.Cause)), t.paint(bold, clean(v.Summary)))
	t.fact("monitor", strconv.FormatUint(uint64(v.MonitorID), 10))
	t.fact("region", clean(v.Region))
	t.fact("first", fmt.Sprintf("%s, %s", moment(v.ScheduledAt), ago(&v.ScheduledAt, now)))
	f := v.FirstFailure
	t.fact("error", strings.Trim(clean(f.ErrorType)+": "+clean(f.ErrorMessage), ": "))
	var phases []string
	for _, p := range []struct {
		name string
		us   *float64
	}{{"dns", f.DNS}, {"tcp", f.TCP}, {"tls", f.TLS}, {"ttfb", f.TTFB}, {"transfer", f.Transfer}} {
		if p.us != nil {
			phases = append(phases, p.name+" "+formatMillis(time.Duration(*p.us*float64(time.Microsecond)), 2))
		}
	}
	if len(phases) > 0 {
		t.fact("phases", strings.Join(phases, ", "))
	}
	if f.ResolvedIP != "" {
		t.fact("address", clean(f.ResolvedIP))
	}
	if f.StatusCode != nil {
		t.fact("status", strconv.Itoa(*f.StatusCode))
	}
	for _, name := range slices.Sorted(maps.Keys(f.Headers)) {
		t.fact("header", clean(name+": "+f.Headers[name]))
	}
	t.evidenceBody(v)
	fmt.Fprintln(t)
	t.evidenceSteps(v.Steps)
}

func (t terminal) evidenceBody(v *evidenceView) {
	switch b := v.Body; {
	case b == nil:
	case b.Text == nil:
		t.fact("body", fmt.Sprintf("%d bytes that are no text", b.SizeBytes))
	default:
		more := pick(b.Truncated, ", the beginning", "")
		t.fact("body", fmt.Sprintf("%d bytes%s:", b.SizeBytes, more))
		for line := range strings.Lines(*b.Text) {
			fmt.Fprintf(t, "    %s\n", clean(strings.TrimRight(line, "\r\n")))
		}
	}
}

func (t terminal) evidenceSteps(steps []evidenceStepView) {
	if len(steps) == 0 {
		return
	}
	words := map[string]cell{"ok": {"✔ ok", green}, "failed": {"✘ failed", red}, "skipped": {"- left out", faint}}
	rows := make([][]cell, len(steps))
	for i, s := range steps {
		word, ok := words[s.Outcome]
		if !ok {
			word = cell{"? " + clean(s.Outcome), ""}
		}
		took := nothing
		if s.DurationUS != nil {
			took = formatMillis(time.Duration(*s.DurationUS*float64(time.Microsecond)), 2)
		}
		found := clean(s.Detail)
		switch {
		case found != "":
		case len(s.Addresses) > 0:
			found = clean(strings.Join(s.Addresses, ", "))
		case s.StatusCode != nil:
			found = "status " + strconv.Itoa(*s.StatusCode)
		}
		rows[i] = []cell{{strings.TrimSpace(clean(s.Kind + " " + s.Resolver)), bold}, word, {clean(s.Target), cyan}, {took, ""}, {found, ""}}
	}
	t.table([]string{"STEP", "OUTCOME", "TARGET", "TIME", "FOUND"}, rows)
}
