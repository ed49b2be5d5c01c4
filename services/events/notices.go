package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/fault"
)

const (
	lookEvery    = time.Second
	tellWithin   = 5 * time.Second  // how long alerts may take for one notice
	stalledAfter = 30 * time.Second // without a write, though something waits, the operator is told
	unwellAfter  = 15 * time.Second // without a commit, though something waits, Check fails
)

// trouble is what the operator is told of one store: as long as it lasts there is a notice, and none after.
type trouble struct {
	raise   *alertsv1.RaiseNoticeRequest
	stalled func() time.Time // since when; zero if it works

	former  bool      // a former process may have left a notice
	started time.Time // zero if there is none to tell of
	raised  bool
	ended   time.Time // zero while it lasts
}

// troubles are those that this service tells of.
func (s *Service) troubles() []*trouble {
	return []*trouble{
		{
			former: true, stalled: s.court.stalled, raise: &alertsv1.RaiseNoticeRequest{
				Key: "events/state", Kind: alertsv1.NoticeKind_NOTICE_KIND_STORAGE_STALLED, Subject: "events",
				Message: "The database takes no judgements. Checks go on and are judged, but states and alerts stand still until it does; look after its disk, its locks and its connections.",
			},
		},
		{
			former: true, stalled: s.archive.stalled, raise: &alertsv1.RaiseNoticeRequest{
				Key: "events/history", Kind: alertsv1.NoticeKind_NOTICE_KIND_HISTORY_DELAYED, Subject: "events",
				Message: "The database of results takes none. States and alerts are not affected; charts and lists are behind, and probers keep what is not stored until it does.",
			},
		},
	}
}

// tell raises a notice while a store is stalled, and clears it after. What alerts does not take, because it is away or stands
// still itself, is tried again with the times that are true.
func (s *Service) tell(ctx context.Context) {
	if s.notices == nil {
		return
	}
	all := s.troubles()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		for _, t := range all {
			t.tell(ctx, s.notices, s.log, time.Now())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (t *trouble) tell(ctx context.Context, to alertsv1.NoticesServiceClient, log *slog.Logger, now time.Time) {
	t.look(now)
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	if err := t.say(ctx, to); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		log.WarnContext(ctx, "the operator could not be told", "notice", t.raise.GetKey(), "error", err)
	}
}

// look finds out whether it began, or is over.
func (t *trouble) look(now time.Time) {
	since := t.stalled()
	if t.started.IsZero() && !since.IsZero() && now.Sub(since) > stalledAfter {
		t.started, t.raised = since, false
	}
	switch {
	case !since.IsZero():
		t.ended = time.Time{}
	case t.ended.IsZero():
		t.ended = now
	}
}

// say tells what was not told yet: also of what is over by the time that somebody listens.
func (t *trouble) say(ctx context.Context, to alertsv1.NoticesServiceClient) error {
	if !t.started.IsZero() && !t.raised {
		t.raise.StartedAt = timestamppb.New(t.started)
		if _, err := to.RaiseNotice(ctx, t.raise); err != nil {
			return err
		}
		t.raised = true
	}
	if t.ended.IsZero() || t.started.IsZero() && !t.former {
		return nil
	}
	if _, err := to.ClearNotice(ctx, &alertsv1.ClearNoticeRequest{Key: t.raise.GetKey(), EndedAt: timestamppb.New(t.ended)}); err != nil {
		return err
	}
	t.former, t.started, t.raised = false, time.Time{}, false
	return nil
}

// Check reports whether this service does its work: an error if what it judged could not be stored for a while. That the
// history takes nothing is no such thing; probers keep what it is to have.
func (s *Service) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if since := s.court.stalled(); !since.IsZero() {
		if d := time.Since(since); d > unwellAfter {
			return fault.Unavailable(fmt.Sprintf("judgements could not be stored for %v", d.Round(time.Second))).Wrap(errStalled)
		}
	}
	return nil
}

// errStalled is what Check's error wraps.
var errStalled = errors.New("state store stalled")
