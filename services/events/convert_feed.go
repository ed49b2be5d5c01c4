package events

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// encodeChanges is what the store keeps of changes.
func encodeChanges(c *Changes, now time.Time) (Commit, error) {
	out := Commit{
		Monitors: c.Monitors, States: c.States, Regions: c.Regions, Mended: c.Mended, Transitions: c.Transitions,
		At: now.UTC().Truncate(time.Millisecond),
	}
	for i := range c.Feed {
		item := &c.Feed[i]
		row := FeedRow{OrganizationID: item.OrganizationID, MonitorID: item.MonitorID, Kind: FeedObservation}
		if item.Transition != nil {
			row.Kind = FeedTransition
		}
		var err error
		if row.Body, err = proto.Marshal(feedEntry(item)); err != nil {
			return out, fmt.Errorf("encode feed entry of monitor %d: %w", item.MonitorID, err)
		}
		out.Feed = append(out.Feed, row)
	}
	return out, nil
}

// decodeFeed is a stored entry as the wire has it.
func decodeFeed(row *FeedRow) (*eventsv1.FeedEntry, error) {
	e := &eventsv1.FeedEntry{}
	if err := proto.Unmarshal(row.Body, e); err != nil {
		return nil, fmt.Errorf("decode feed entry %d: %w", row.Seq, err)
	}
	e.Seq, e.OrganizationId, e.MonitorId = row.Seq, row.OrganizationID, row.MonitorID
	return e, nil
}

// feedEntry leaves out what stands in the row's own columns.
func feedEntry(item *FeedItem) *eventsv1.FeedEntry {
	e := &eventsv1.FeedEntry{At: timestamp(item.At)}
	switch {
	case item.Transition != nil:
		e.What = &eventsv1.FeedEntry_Transition{Transition: transitionOut(item.Transition)}
	case item.Observation != nil:
		e.What = &eventsv1.FeedEntry_Observation{Observation: observationOut(item.Observation)}
	}
	return e
}

func transitionOut(t *Transition) *eventsv1.Transition {
	return &eventsv1.Transition{
		From: statusOut(t.From), To: statusOut(t.Status), Since: timestamp(t.Since), TransitionSeq: t.Seq, Regions: t.Regions,
		ErrorType: text(t.ErrorType), ErrorMessage: text(t.ErrorMessage), ConsecutiveFailures: t.ConsecutiveFailures, Reason: text(t.Reason),
		DownRegions: t.Down,
	}
}

func observationOut(o *Observation) *eventsv1.Observation {
	out := sightingOut(o)
	out.ScheduledAt, out.NextScheduledAt = timestamp(o.Result.ScheduledAt), timestamp(o.Result.NextScheduledAt)
	return out
}

// sightingOut is an observation without its slots.
func sightingOut(o *Observation) *eventsv1.Observation {
	r := &o.Result
	return &eventsv1.Observation{
		Region: r.Region, Status: checkv1.ResultStatus(r.Outcome), ResponseTimeUs: microseconds(r.ResponseTime), StatusCode: positive(r.StatusCode),
		ErrorType: text(r.ErrorType), ErrorMessage: text(r.ErrorMessage), ConsecutiveFailures: o.ConsecutiveFailures,
		CurrentStatus: statusOut(o.Status), Successes: o.Successes, MeanResponseTimeUs: microseconds(o.MeanResponse),
		MaxResponseTimeUs: microseconds(o.MaxResponse), CertificateExpiresAt: timestamp(r.CertExpiresAt), DownRegions: o.Down,
	}
}

func statusOut(s Status) eventsv1.CurrentStatus { return eventsv1.CurrentStatus(s) }

// timestamp is absent for the zero time.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// text is absent when empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// positive is absent when 0.
func positive(n uint32) *uint32 {
	if n == 0 {
		return nil
	}
	return &n
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
