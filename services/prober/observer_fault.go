package prober

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/prober/nettest"
)

// linger is how long a fault that is only seen in results lasts after the last of them.
var linger = map[nettest.ErrorType]time.Duration{
	nettest.ErrObserverOffline: 5 * time.Minute, nettest.ErrResolverUnavailable: 5 * time.Minute, nettest.ErrNoIPv6: 15 * time.Minute,
	nettest.ErrPermission: 15 * time.Minute, nettest.ErrOverload: time.Minute, nettest.ErrInternal: 5 * time.Minute,
}

// ownFault is trouble of this prober's own.
type ownFault struct {
	message     string
	since, seen time.Time
}

func (o *observer) note(typ nettest.ErrorType, message string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.noteLocked(typ, message, now)
}

func (o *observer) noteLocked(typ nettest.ErrorType, message string, now time.Time) {
	if linger[typ] == 0 {
		return // a target's, or a choice of the operator's
	}
	f := o.faults[typ]
	if f == nil || now.Sub(f.seen) > linger[typ] {
		f = &ownFault{since: now}
		o.faults[typ] = f
	}
	f.message, f.seen = message, now
}

// noteResult learns from an error that a check itself has found.
func (o *observer) noteResult(r *checkv1.CheckResult, now time.Time) {
	o.note(nettest.ErrorType(r.GetErrorType()), r.GetErrorMessage(), now)
}

// disproved reports whether something seen after seen shows that a fault is over. The lock is held.
func (o *observer) disproved(typ nettest.ErrorType, seen time.Time) bool {
	switch typ {
	case nettest.ErrResolverUnavailable:
		return o.names != nil && o.names.AnsweredSince(seen)
	case nettest.ErrObserverOffline:
		for i := range o.families {
			if fam := &o.families[i]; fam.here && !fam.silent.lasts() && fam.judged.After(seen) {
				return true
			}
		}
	}
	return false
}

// ailments are the faults that last now.
func (o *observer) ailments(now time.Time) (list []*monitorsv1.ObserverFault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.families {
		if fam := &o.families[i]; fam.silent.lasts() {
			typ := nettest.ErrObserverOffline
			if fam.version == nettest.IPv6 && o.families[0].here && !o.families[0].silent.lasts() {
				typ = nettest.ErrNoIPv6
			}
			o.noteLocked(typ, offlineText(string(fam.version)), now)
		}
	}
	for _, typ := range []nettest.ErrorType{nettest.ErrObserverOffline, nettest.ErrResolverUnavailable, nettest.ErrNoIPv6, nettest.ErrPermission, nettest.ErrOverload, nettest.ErrInternal} {
		f := o.faults[typ]
		if f == nil || now.Sub(f.seen) > linger[typ] || o.disproved(typ, f.seen) {
			delete(o.faults, typ)
			continue
		}
		list = append(list, &monitorsv1.ObserverFault{ErrorType: string(typ), Message: f.message, Since: timestamppb.New(f.since)})
	}
	return list
}
