package app

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// incidentView is what the command line shows of an incident.
type incidentView struct {
	ID             uint32     `json:"id"`
	MonitorID      uint32     `json:"monitor_id"`
	MonitorName    string     `json:"monitor_name"`
	Status         string     `json:"status"`
	StartTime      time.Time  `json:"start_time"`
	EndTime        *time.Time `json:"end_time"`
	Regions        []string   `json:"affected_regions"`
	LastError      string     `json:"last_error"`
	LastErrorType  string     `json:"last_error_type"`
	FailureCount   int        `json:"failure_count"`
	AcknowledgedBy string     `json:"acknowledged_by"`
	ResolvedBy     string     `json:"resolved_by"`
	Maintenance    bool       `json:"maintenance"`
	AffectedBy     uint32     `json:"affected_by"`
	UpSince        *time.Time `json:"up_since"`
	Unstable       *struct {
		Since   time.Time  `json:"since"`
		Until   *time.Time `json:"until"`
		Changes int        `json:"changes"`
	} `json:"unstable"`
}

type timelineView struct {
	Entries   []timelineEntryView `json:"entries"`
	Truncated bool                `json:"truncated"`
}

type timelineEntryView struct {
	At            time.Time  `json:"at"`
	Kind          string     `json:"kind"`
	ActorName     string     `json:"actor_name"`
	Regions       []string   `json:"regions"`
	ErrorType     string     `json:"error_type"`
	Error         string     `json:"error"`
	Failures      int        `json:"failures"`
	MonitorID     uint32     `json:"monitor_id"`
	MonitorName   string     `json:"monitor_name"`
	Changes       int        `json:"changes"`
	AlertID       uint32     `json:"alert_id"`
	ChannelID     uint32     `json:"channel_id"`
	TargetName    string     `json:"target_name"`
	TargetType    string     `json:"target_type"`
	Condition     string     `json:"condition"`
	Value         float64    `json:"value"`
	Threshold     float64    `json:"threshold"`
	MessageType   string     `json:"message_type"`
	State         string     `json:"delivery_state"`
	Attempts      int        `json:"attempts"`
	Text          string     `json:"text"`
	EditedAt      *time.Time `json:"edited_at"`
	LastedSeconds float64    `json:"lasted_seconds"`
}

// state is where the handling stands; of one that is open because its monitor is unstable, also that.
func (i incidentView) state() cell {
	c := incidentStatus(i.Status)
	if u := i.Unstable; u != nil && u.Until == nil && i.EndTime == nil {
		c.text += ", ↕ unstable"
	}
	return c
}

// unstable says for how long the monitor was unstable, and what it is in between.
func (i incidentView) unstable() string {
	u := i.Unstable
	if u == nil {
		return ""
	}
	text := "unstable since " + moment(u.Since)
	if u.Until != nil {
		text = "unstable from " + moment(u.Since) + " until " + moment(*u.Until)
	}
	text += fmt.Sprintf(": %d changes", u.Changes)
	if u.Until == nil && i.EndTime == nil {
		text += pick(i.UpSince == nil, ", and down now", ", and up now")
	}
	return text
}

func incidentStatus(status string) cell {
	switch status {
	case "active":
		return cell{"✘ active", red}
	case "acknowledged":
		return cell{"! acknowledged", yellow}
	case "resolved":
		return cell{"✔ resolved", green}
	}
	return cell{"? " + clean(status), ""}
}

func (i incidentView) lasted(now time.Time) string {
	end := now
	if i.EndTime != nil {
		end = *i.EndTime
	}
	return formatSeconds(max(end.Sub(i.StartTime), 0).Seconds())
}

// cause is what went wrong last, in a few words.
func (i incidentView) cause() string { return faultText(i.LastErrorType, i.LastError) }

func faultText(kind, message string) string {
	return strings.Join(slices.DeleteFunc([]string{clean(kind), clean(message)}, func(s string) bool { return s == "" }), ": ")
}

func (t terminal) incidents(all []incidentView, now time.Time) {
	rows := make([][]cell, len(all))
	for n, i := range all {
		rows[n] = []cell{
			{strconv.FormatUint(uint64(i.ID), 10), bold}, i.state(), {shorten(i.MonitorName, 32), cyan}, {moment(i.StartTime), ""},
			{i.lasted(now), ""}, {shorten(i.cause(), 60), ""},
		}
	}
	t.table([]string{"ID", "STATE", "MONITOR", "FROM", "LASTED", "CAUSE"}, rows)
}

// incident shows one incident and what happened in its course.
func (t terminal) incident(i incidentView, tl timelineView, now time.Time) {
	state := i.state()
	fmt.Fprintf(t, "%s  incident %d of %s (monitor %d)\n", t.paint(state.colour, state.text), i.ID, t.paint(bold, clean(i.MonitorName)), i.MonitorID)
	until := "and lasts: " + i.lasted(now)
	if i.EndTime != nil {
		until = "until " + moment(*i.EndTime) + ": " + i.lasted(now)
	}
	fmt.Fprintf(t, "from %s %s, %d failed checks", moment(i.StartTime), until, i.FailureCount)
	if len(i.Regions) > 0 {
		fmt.Fprintf(t, " in %s", clean(strings.Join(i.Regions, ", ")))
	}
	fmt.Fprintln(t)
	if cause := i.cause(); cause != "" {
		fmt.Fprintln(t, cause)
	}
	if unstable := i.unstable(); unstable != "" {
		fmt.Fprintln(t, unstable)
	}
	if i.Maintenance {
		fmt.Fprintln(t, "it began in a maintenance window")
	}
	if i.AffectedBy != 0 {
		fmt.Fprintf(t, "nobody was told, because monitor %d was down too\n", i.AffectedBy)
	}
	fmt.Fprintln(t)
	rows := make([][]cell, len(tl.Entries))
	for n, e := range tl.Entries {
		what, colour := e.what()
		rows[n] = []cell{{moment(e.At), ""}, {what, colour}, {shorten(e.facts(), 100), faint}}
	}
	t.table([]string{"TIME", "WHAT", ""}, rows)
	for _, e := range tl.Entries {
		if e.Kind == "note" {
			t.note(e)
		}
	}
	if tl.Truncated {
		fmt.Fprintln(t, t.paint(faint, "and more, which the server does not tell one by one"))
	}
}

// note shows what somebody wrote, line by line.
func (t terminal) note(e timelineEntryView) {
	fmt.Fprintf(t, "\n%s\n", t.paint(bold, moment(e.At)+", "+clean(e.ActorName)+pick(e.EditedAt != nil, " (edited)", "")))
	for _, line := range strings.Split(e.Text, "\n") {
		fmt.Fprintln(t, "  "+clean(strings.ReplaceAll(line, "\t", "    ")))
	}
}

// entryWords are what kinds of entries are called, and their colours.
var entryWords = map[string]cell{
	"first_failure": {"first failing check", ""}, "confirmed_down": {"✘ confirmed down", red}, "region_down": {"further regions down", red},
	"region_up": {"regions up again", green}, "held": {"nobody is told any more", ""}, "released": {"its parent is no reason any more", ""},
	"maintenance_began": {"in a maintenance window", ""}, "maintenance_ended": {"maintenance is over", ""}, "unstable_began": {"unstable", yellow},
	"unstable_ended": {"steady again", ""}, "alert_triggered": {"! rule triggered", yellow}, "alert_resolved": {"rule resolved", green},
	"message_queued": {"message written", ""}, "message_delivered": {"message delivered", ""}, "message_failed": {"✘ message failed", red},
	"acknowledged": {"acknowledged", cyan}, "note": {"note", cyan}, "resolved": {"resolved by hand", cyan}, "recovered": {"✔ recovered", green},
	"closed": {"ended: nobody looks any more", ""}, "went_down": {"✘ down again", red}, "came_up": {"up, but unstable", green},
}

func (e timelineEntryView) what() (text, colour string) {
	if c, known := entryWords[e.Kind]; known {
		return c.text, c.colour
	}
	return strings.ReplaceAll(clean(e.Kind), "_", " "), ""
}

// facts are what an entry has to tell, in one line.
func (e timelineEntryView) facts() string {
	var out []string
	add := func(given bool, format string, args ...any) {
		if given {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	add(e.ActorName != "", "by %s", clean(e.ActorName))
	add(e.MessageType != "", "%s to %s", clean(e.MessageType), e.target())
	add(e.MessageType == "" && e.AlertID != 0, "alert %d", e.AlertID)
	add(e.Condition != "", "%s %s (%s)", clean(e.Condition), figure(e.Value), figure(e.Threshold))
	add(len(e.Regions) > 0, "%s", clean(strings.Join(e.Regions, ", ")))
	add(e.ErrorType != "" || e.Error != "", "%s", faultText(e.ErrorType, e.Error))
	add(e.Failures > 0, "%d failures in a row", e.Failures)
	add(e.MonitorID != 0, "because of %s", pick(e.MonitorName != "", clean(e.MonitorName), fmt.Sprint("monitor ", e.MonitorID)))
	add(e.Changes > 0, "%d changes", e.Changes)
	add(e.Attempts > 1, "%d attempts", e.Attempts)
	add(e.Kind != "message_delivered" && e.State != "" && e.State != "delivered", "%s", clean(e.State))
	add(e.LastedSeconds > 0, "after %s", formatSeconds(e.LastedSeconds))
	add(e.EditedAt != nil, "(edited)")
	return strings.Join(out, ", ")
}

func (e timelineEntryView) target() string {
	switch {
	case e.TargetName != "":
		return clean(e.TargetName)
	case e.ChannelID != 0:
		return fmt.Sprint("channel ", e.ChannelID)
	}
	return fmt.Sprintf("%s of alert %d", pick(e.TargetType != "", clean(e.TargetType), "the target"), e.AlertID)
}

func figure(v float64) string { return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64) }
