package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/requestid"
)

func away(text string) error {
	return fmt.Errorf("list: %w", fault.Unavailable("").Wrap(errors.New(text)))
}

// pass lets time pass in the bubble of a test.
func pass(d time.Duration) { <-time.After(d) }

// What the caller is not told stands in the log, once.
func TestOutagesAreLogged(t *testing.T) {
	var fails error
	r := run(t, &fake{empty: func(context.Context) error { return fails }})
	ctx := requestid.NewContext(member(testContext(t), identity.RoleOwner), "req-7")
	seen := 0
	for name, tt := range map[string]struct {
		err    error
		code   codes.Code
		logged bool
	}{
		"a store that is away":   {away("dial tcp: canary: connection refused"), codes.Unavailable, true},
		"another service":        {fmt.Errorf("ask events: %w", status.Error(codes.Unavailable, "canary: no route to host")), codes.Unavailable, true},
		"a store that is slow":   {fmt.Errorf("canary: %w", context.DeadlineExceeded), codes.DeadlineExceeded, true},
		"nothing more to say":    {fmt.Errorf("check: %w", fault.Unavailable("no prober is there")), codes.Unavailable, false},
		"the caller's own limit": {context.DeadlineExceeded, codes.DeadlineExceeded, false},
		"a limit of ours":        {fault.Exhausted("too many").Wrap(errors.New("canary")), codes.ResourceExhausted, false},
	} {
		fails = tt.err
		_, err := r.client.EmptyCall(ctx, &testpb.Empty{})
		if status.Code(err) != tt.code || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, want %v without its cause", name, err, tt.code)
		}
		records := r.log.records(t)[seen:]
		seen += len(records)
		if (len(records) == 1) != tt.logged || len(records) > 1 {
			t.Errorf("%s: logged %v", name, records)
			continue
		}
		for _, got := range records {
			if got["level"] != "WARN" || got["method"] != emptyCall || got["request_id"] != "req-7" || got["service"] != "test" ||
				!strings.Contains(fmt.Sprint(got["error"]), "canary") || got["suppressed"] != nil {
				t.Errorf("%s: log record %v", name, got)
			}
		}
	}
}

// The same outage is logged once a second, however many requests it fails, and says how many were passed over.
func TestOutagesDoNotFloodTheLog(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		log := &logBuffer{}
		s, err := NewServer(Config{Service: "test", Log: slog.New(slog.NewJSONHandler(log, nil)), Signer: testSigner(t), Policy: testPolicy})
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		want := func(what string, suppressed ...any) {
			t.Helper()
			records := log.records(t)[seen:]
			seen += len(records)
			var got []any
			for _, r := range records {
				got = append(got, r["suppressed"])
			}
			if !slices.Equal(got, suppressed) {
				t.Errorf("%s: logged with suppressed %v, want %v", what, got, suppressed)
			}
		}
		fail := func(method string, err error) {
			if got := status.Code(s.answer(t.Context(), method, err)); got != codes.Unavailable {
				t.Errorf("answered %v", got)
			}
		}
		for i := range 50 { // each on a connection of its own
			fail(emptyCall, away(fmt.Sprintf("read tcp 127.0.0.1:%d: connection reset", 40000+i)))
		}
		want("the first of fifty", nil)
		fail(unaryCall, away("read tcp 127.0.0.1:1: connection reset"))
		want("another method", nil)
		fail(emptyCall, away("disk full"))
		want("another cause", nil)
		pass(time.Second - 1)
		fail(emptyCall, away("disk full"))
		want("just before a second has passed")
		pass(1)
		fail(emptyCall, away("read tcp 127.0.0.1:2: connection reset"))
		fail(emptyCall, away("disk full"))
		want("a second later", 49.0, 1.0)
		pass(time.Minute)
		fail(emptyCall, away("disk full"))
		want("a minute later", nil)
	})
}

// However many causes there are, the log and the memory have bounds.
func TestOutagesAreBounded(t *testing.T) {
	var o outages
	at := time.Now()
	logged := 0
	round := func() {
		for i := range 10 * maxOutages {
			if _, ok := o.tell(emptyCall, errors.New(strings.Repeat("x", i)), at); ok {
				logged++
			}
		}
	}
	round()
	if logged != maxOutages+1 || len(o.known) != maxOutages+1 {
		t.Errorf("logged %d, known %d, want one more than %d", logged, len(o.known), maxOutages)
	}
	at = at.Add(outageEvery)
	if n, ok := o.tell(emptyCall, errors.New("new"), at); n != 0 || !ok || len(o.known) != 1 {
		t.Errorf("later: suppressed %d, %v, known %d; want room for a new cause", n, ok, len(o.known))
	}
}
