package events

import (
	"context"
	"fmt"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/fault"
)

const (
	replayAtMost = 91 * 24 * time.Hour
	replayPage   = 1000 // entries of a response
)

// replayServer implements ReplayService.
type replayServer struct {
	eventsv1.UnsafeReplayServiceServer
	*Service
}

var _ eventsv1.ReplayServiceServer = replayServer{}

// ReplayFeed judges a monitor's past again for another service.
func (s replayServer) ReplayFeed(req *eventsv1.ReplayFeedRequest, stream eventsv1.ReplayService_ReplayFeedServer) error {
	from, to := moment(req.GetStart()), earlier(moment(req.GetEnd()), time.Now().UTC().Truncate(time.Millisecond))
	switch length := moment(req.GetEnd()).Sub(from); {
	case length <= 0:
		return fault.Invalid("", fault.Field{Name: "end", Message: "must be after start"})
	case length > replayAtMost:
		return fault.Invalid("", fault.Field{Name: "end", Message: "must be at most 91 days after start"})
	}
	m, regions, err := s.watched(stream.Context(), req.GetOrganizationId(), req.GetMonitorId())
	if err != nil {
		return err
	}
	if req.ConfirmDown != nil {
		m.ConfirmDown = req.GetConfirmDown()
	}
	if req.ConfirmUp != nil {
		m.ConfirmUp = req.GetConfirmUp()
	}
	if req.Quorum != nil {
		m.Quorum = Quorum(req.GetQuorum())
	}
	if err := s.awaitWindows(stream.Context()); err != nil {
		return err
	}
	reach := span{from.Add(-uptimeSpan), to} // samples look back
	in, err := supposed(req.GetWindows(), reach)
	if err != nil {
		return err
	}
	in = union(append(in, s.windows.of(m, reach)...))
	out := replayStream{send: stream.Send}
	if err := out.begin(in, from); err != nil {
		return err
	}
	if len(regions) == 0 || !from.Before(to) { // nothing was ever judged of it, or the range lies ahead
		return out.end(&gist{})
	}
	p := newReplay(m, regions, from, to)
	p.uptime, p.windows, p.tell = req.GetSampleUptime(), in, out.add
	g, err := p.run(stream.Context(), s.state, s.results)
	if err != nil {
		return fmt.Errorf("replay monitor %d: %w", m.ID, err)
	}
	return out.end(&g)
}

// watched returns a monitor of an organization and the regions that ever watched it, or NotFound.
func (s *Service) watched(ctx context.Context, organization string, id uint32) (Monitor, []string, error) {
	m, ok := s.known.get(id)
	if !ok || m.OrganizationID != organization {
		return Monitor{}, nil, fault.NotFound(fmt.Sprintf("monitor %d does not exist", id))
	}
	rows, err := s.state.Statuses(ctx, []uint32{id})
	if err != nil {
		return Monitor{}, nil, err
	}
	var regions []string
	for i := range rows {
		for k := range rows[i].Regions {
			regions = append(regions, rows[i].Regions[k].Region)
		}
	}
	return m, regions, nil
}

// replayStream gathers what is told into responses.
type replayStream struct {
	send func(*eventsv1.ReplayFeedResponse) error
	next *eventsv1.ReplayFeedResponse
}

// begin sends the maintenance, but for what was over before the range.
func (o *replayStream) begin(in []span, from time.Time) error {
	first := &eventsv1.ReplayFeedResponse{}
	for _, s := range in {
		if s.to.After(from) {
			first.Maintenance = append(first.Maintenance, &eventsv1.ReplayStretch{Start: timestamp(s.from), End: timestamp(s.to)})
		}
	}
	return o.send(first)
}

func (o *replayStream) add(r replayed) error {
	if o.next == nil {
		o.next = &eventsv1.ReplayFeedResponse{Entries: make([]*eventsv1.FeedEntry, 0, replayPage)}
	}
	if r.Item == nil {
		o.next.Samples = append(o.next.Samples, &eventsv1.ReplaySample{
			After: uint32(len(o.next.Entries)), At: timestamp(r.At), UptimePercentage_24H: r.Uptime,
		})
		return nil
	}
	if len(o.next.Entries) == replayPage {
		full := o.next
		o.next = nil
		if err := o.send(full); err != nil {
			return err
		}
		return o.add(r)
	}
	e := &eventsv1.FeedEntry{At: timestamp(r.Item.At)}
	if r.Item.Transition != nil {
		e.What = &eventsv1.FeedEntry_Transition{Transition: transitionOut(r.Item.Transition)}
	} else {
		e.What = &eventsv1.FeedEntry_Observation{Observation: sightingOut(r.Item.Observation)}
	}
	o.next.Entries = append(o.next.Entries, e)
	return nil
}

// end sends what is left, with the summary.
func (o *replayStream) end(g *gist) error {
	last := o.next
	if last == nil {
		last = &eventsv1.ReplayFeedResponse{}
	}
	last.Summary = &eventsv1.ReplaySummary{
		Checks: count(g.Checks), FirstCheck: timestamp(g.First), KnownSeconds: g.Tally.Known().Seconds(),
		UnknownSeconds: g.Tally.Unknown.Seconds(), PausedSeconds: g.Tally.Paused.Seconds(), MaintenanceSeconds: g.Tally.Maintenance.Seconds(),
		UnknownStretches: count(int64(g.Blind)),
	}
	for _, x := range g.Unknown {
		last.Summary.Unknown = append(last.Summary.Unknown, &eventsv1.StateInterval{
			Status: statusOut(x.Status), Start: timestamp(x.Start), End: timestamp(x.End),
		})
	}
	return o.send(last)
}
