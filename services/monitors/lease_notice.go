package monitors

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/rpc"
)

const (
	noticeWait    = 5 * time.Second // for one call
	noticeMessage = 1900            // bytes, less than alerts accepts
)

// noticer tells the operator of probers that are offline or report faults of their own, and of monitors that nobody runs.
// Every replica does so: a notice has one key, and who raises it twice raises it once. It keeps trying until alerts has
// taken it.
type noticer struct {
	service *Service
	began   time.Time
	open    map[string]bool          // what alerts was told last, by key; absent: nothing yet, since this process started
	bare    map[string]time.Duration // since when regions have monitors without a live prober
	failed  bool                     // the last time
}

func newNoticer(s *Service) *noticer {
	return &noticer{service: s, began: time.Now(), open: map[string]bool{}, bare: map[string]time.Duration{}}
}

func (n *noticer) run(ctx context.Context) {
	tick := time.NewTicker(max(n.service.ttl/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			n.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (n *noticer) look(ctx context.Context) {
	f, err := n.service.fleet(ctx)
	if err != nil {
		return // who watches the sessions says so
	}
	wanted := map[string]*alertsv1.RaiseNoticeRequest{}
	for _, x := range f.sessions {
		n.ofSession(wanted, x)
	}
	n.ofRegions(wanted, f)
	err = nil
	for key, notice := range wanted {
		if e := n.tell(ctx, key, notice); e != nil {
			err = e
		}
	}
	if failed := err != nil; failed != n.failed {
		n.failed = failed
		if failed && ctx.Err() == nil {
			n.service.log.WarnContext(ctx, "notices are not delivered yet", "error", err.Error())
		}
	}
}

// tell says to alerts that a notice is open, or with nil that it is over, unless it knows.
func (n *noticer) tell(ctx context.Context, key string, notice *alertsv1.RaiseNoticeRequest) error {
	if open, told := n.open[key]; told && open == (notice != nil) {
		return nil
	}
	ctx, cancel := context.WithTimeout(rpc.AsService(ctx), noticeWait)
	defer cancel()
	var err error
	if notice != nil {
		notice.Key = key
		_, err = n.service.notices.RaiseNotice(ctx, notice)
	} else {
		_, err = n.service.notices.ClearNotice(ctx, &alertsv1.ClearNoticeRequest{Key: key})
	}
	if err != nil {
		return fmt.Errorf("notice %s: %w", key, err)
	}
	n.open[key] = notice != nil
	return nil
}

// ofSession says what is to be told of a prober; a key without a notice is over.
func (n *noticer) ofSession(wanted map[string]*alertsv1.RaiseNoticeRequest, s Session) {
	offline, trouble, overload := "prober/"+s.ProberID+"/offline", "prober/"+s.ProberID+"/fault", "prober/"+s.ProberID+"/overload"
	wanted[offline], wanted[trouble], wanted[overload] = nil, nil, nil
	if s.Marked || s.State == SessionRemoved || s.State == SessionLeft {
		return
	}
	if s.State == SessionOver || s.State == SessionEnded {
		wanted[offline] = &alertsv1.RaiseNoticeRequest{
			Kind: alertsv1.NoticeKind_NOTICE_KIND_PROBER_OFFLINE, Subject: s.ProberID, StartedAt: timestamppb.New(s.RenewedAt),
			Message: fmt.Sprintf("Prober %s of region %s does not renew its lease any more. See whether its machine runs and reaches this "+
				"installation; what it ran is taken over by other probers of the region, if there are any.", s.ProberID, s.Region),
		}
	}
	var own, lacking []*monitorsv1.ObserverFault
	for _, f := range reportOf(s).GetFaults() {
		if f.GetErrorType() == overloadFault {
			lacking = append(lacking, f)
		} else {
			own = append(own, f)
		}
	}
	wanted[trouble] = noticeOf(s, alertsv1.NoticeKind_NOTICE_KIND_OBSERVER_FAULT, "reports trouble of its own, for which no target is blamed:", own)
	wanted[overload] = noticeOf(s, alertsv1.NoticeKind_NOTICE_KIND_OVERLOAD, "has too little capacity for what it is to check:", lacking)
}

// overloadFault is the type of the faults that are a want of capacity. They have a notice of their own, because what is to be
// done is another thing.
const overloadFault = "overload"

// noticeOf tells of faults that a prober reports; nil of none.
func noticeOf(s Session, kind alertsv1.NoticeKind, what string, faults []*monitorsv1.ObserverFault) *alertsv1.RaiseNoticeRequest {
	if len(faults) == 0 {
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, "Prober %s of region %s %s", s.ProberID, s.Region, what)
	began := faults[0].GetSince()
	for _, f := range faults {
		fmt.Fprintf(&text, " %s (%s)", f.GetMessage(), f.GetErrorType())
		if f.GetSince().AsTime().Before(began.AsTime()) {
			began = f.GetSince()
		}
	}
	return &alertsv1.RaiseNoticeRequest{
		Kind: kind, Subject: s.ProberID, StartedAt: began, Message: strings.ToValidUTF8(text.String()[:min(text.Len(), noticeMessage)], ""),
	}
}

// ofRegions says which regions have had monitors without a live prober for too long.
func (n *noticer) ofRegions(wanted map[string]*alertsv1.RaiseNoticeRequest, f fleet) {
	unplaced := map[string]uint32{}
	for _, h := range f.holdings {
		unplaced[h.Region] += 0
		if !f.lives(h.Holder) {
			unplaced[h.Region] += h.Monitors
		}
	}
	now := time.Since(n.began)
	for region, count := range unplaced {
		key := "region/" + region + "/unplaced"
		wanted[key] = nil
		if count == 0 {
			delete(n.bare, region)
			continue
		}
		since, known := n.bare[region]
		if !known {
			since, n.bare[region] = now, now
		}
		if now-since > 2*n.service.ttl {
			wanted[key] = &alertsv1.RaiseNoticeRequest{
				Kind: alertsv1.NoticeKind_NOTICE_KIND_UNPLACED, Subject: region,
				Message: withoutProber(count, region),
			}
		}
	}
}

func withoutProber(count uint32, region string) string {
	what, need := fmt.Sprintf("%d monitors of region %s are", count, region), "they need (kind of check, IPv6), or take the region from them"
	if count == 1 {
		what, need = fmt.Sprintf("One monitor of region %s is", region), "it needs (kind of check, IPv6), or take the region from it"
	}
	return what + " not checked from there: no live prober of the region can. Start a prober there, one that can do what " + need + "."
}
