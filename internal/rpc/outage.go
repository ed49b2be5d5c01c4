package rpc

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/frogstats/uptime/internal/fault"
)

const (
	outageEvery = time.Second // how often the same outage is logged
	maxOutages  = 100         // that are told apart in that time; what goes beyond counts as one
)

// outages thins out what is logged while something that requests need is away: each of them fails, for the same cause.
type outages struct {
	mu    sync.Mutex
	known map[outage]*telling
}

// outage is a cause that a method fails for. Numbers do not tell causes apart: they are ports, or name what was asked for.
type outage struct{ method, cause string }

type telling struct {
	last       time.Time
	suppressed int // since then
}

// tell reports whether an outage is to be logged, and how often it was not since the last time.
func (o *outages) tell(method string, err error, now time.Time) (suppressed int, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := outage{method, strings.Map(withoutDigits, err.Error())}
	t := o.known[key]
	if t == nil && len(o.known) >= maxOutages {
		o.forget(now)
		if len(o.known) >= maxOutages {
			key = outage{}
			t = o.known[key]
		}
	}
	if t == nil {
		if o.known == nil {
			o.known = map[outage]*telling{}
		}
		o.known[key] = &telling{last: now}
		return 0, true
	}
	if now.Sub(t.last) < outageEvery {
		t.suppressed++
		return 0, false
	}
	suppressed = t.suppressed
	*t = telling{last: now}
	return suppressed, true
}

// forget makes room of what is over.
func (o *outages) forget(now time.Time) {
	for key, t := range o.known {
		if now.Sub(t.last) >= outageEvery {
			delete(o.known, key)
		}
	}
}

func withoutDigits(r rune) rune {
	if '0' <= r && r <= '9' {
		return -1
	}
	return r
}

// logOutage logs why a request could not be served now, or in time, unless the caller was told all that there is to say.
func (s *Server) logOutage(ctx context.Context, fullMethod string, err error) {
	var f *fault.Error
	if errors.As(err, &f) && f.Unwrap() == nil || err == context.DeadlineExceeded { //nolint:errorlint // that alone, without a path
		return
	}
	suppressed, ok := s.outages.tell(fullMethod, err, time.Now())
	if !ok {
		return
	}
	attrs := logAttrs(ctx, fullMethod, err)
	if suppressed > 0 {
		attrs = append(attrs, "suppressed", suppressed)
	}
	s.log.WarnContext(ctx, "request not served", attrs...)
}
