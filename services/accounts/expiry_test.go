package accounts_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/accounts"
	"github.com/frogstats/uptime/services/accounts/sqlite"
)

// headers stands in for the transport, which cannot be inside a bubble.
type headers struct{ metadata.MD }

func (h *headers) Method() string                  { return "test" }
func (h *headers) SetHeader(md metadata.MD) error  { h.MD = metadata.Join(h.MD, md); return nil }
func (h *headers) SendHeader(md metadata.MD) error { return h.SetHeader(md) }
func (h *headers) SetTrailer(metadata.MD) error    { return nil }

// serverSide is the context that a handler would see.
func serverSide(p *accountsv1.Principal) context.Context {
	return grpc.NewContextWithServerTransportStream(as(p), &headers{})
}

// bubble runs fn where time passes at once, with a service and its store.
func bubble(t *testing.T, cfg accounts.BootstrapConfig, fn func(t *testing.T, b *clockwork)) {
	bubbletest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "accounts.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := store.Close(); err != nil {
				t.Errorf("close store: %v", err)
			}
		}()
		cfg.Passwords = cheap
		out, err := accounts.Bootstrap(t.Context(), store, cfg)
		if err != nil {
			t.Fatal(err)
		}
		fn(t, &clockwork{
			Service: accounts.New(accounts.Deps{Store: store, Log: slog.New(slog.DiscardHandler), Passwords: cheap}),
			t:       t, setup: out.SetupToken, store: store,
		})
	})
}

type clockwork struct {
	*accounts.Service
	t     *testing.T
	setup string
	store *sqlite.Store
}

func (c *clockwork) login() (*accountsv1.Session, string) {
	c.t.Helper()
	var h headers
	ctx := grpc.NewContextWithServerTransportStream(identity.NewContext(context.Background(), identity.Anonymous), &h)
	s, err := c.Login(ctx, &accountsv1.LoginRequest{Email: ownerEmail, Password: ownerPassword})
	if err != nil {
		c.t.Fatalf("login: %v", err)
	}
	return s, only(c.t, h.MD, "x-session-token")
}

func (c *clockwork) resolve(token string) (*accountsv1.Principal, error) {
	return c.ResolveSession(context.Background(), &accountsv1.ResolveSessionRequest{Token: token})
}

func pass(d time.Duration) { <-time.After(d) }

const day = 24 * time.Hour

func TestUnusedSessionEndsAfterTwoWeeks(t *testing.T) {
	bubble(t, withOwner(), func(t *testing.T, c *clockwork) {
		_, token := c.login()
		pass(14*day - time.Second)
		if _, err := c.resolve(token); err != nil {
			t.Errorf("a second before: %v", err)
		}
		pass(14*day - time.Second) // that use counted
		if _, err := c.resolve(token); err != nil {
			t.Errorf("two weeks after a use, less a second: %v", err)
		}
		pass(14 * day)
		_, err := c.resolve(token)
		wantFault(t, "two weeks after a use", err, codes.Unauthenticated)
	})
}

func TestUsedSessionEndsAfterNinetyDays(t *testing.T) {
	bubble(t, withOwner(), func(t *testing.T, c *clockwork) {
		s, token := c.login()
		if d := s.GetExpiresAt().AsTime().Sub(s.GetCreatedAt().AsTime()); d != 90*day {
			t.Errorf("the session is to last %v", d)
		}
		for i := range 89 {
			pass(day)
			if _, err := c.resolve(token); err != nil {
				t.Fatalf("day %d: %v", i+1, err)
			}
		}
		pass(day - time.Millisecond)
		p, err := c.resolve(token)
		if err != nil {
			t.Fatalf("a moment before: %v", err)
		}
		pass(time.Millisecond)
		_, err = c.resolve(token)
		wantFault(t, "after 90 days", err, codes.Unauthenticated)
		list, err := c.ListSessions(as(p), &accountsv1.ListSessionsRequest{})
		if err != nil || len(list.GetSessions()) != 0 {
			t.Errorf("listed as live: %v, %v", list, err)
		}
		next, _ := c.login()
		all, err := c.store.Sessions(context.Background(), next.GetUser().GetId())
		if err != nil || len(all) != 1 {
			t.Errorf("%d sessions are stored after the next login, %v", len(all), err)
		}
	})
}

func TestUseIsWrittenOnceAMinute(t *testing.T) {
	bubble(t, withOwner(), func(t *testing.T, c *clockwork) {
		s, token := c.login()
		used := func() time.Duration {
			if _, err := c.resolve(token); err != nil {
				t.Fatal(err)
			}
			in, err := c.store.Session(context.Background(), s.GetUser().GetId(), s.GetId())
			if err != nil {
				t.Fatal(err)
			}
			return in.Session.LastUsedAt.Sub(s.GetCreatedAt().AsTime())
		}
		for _, step := range []struct{ pass, want time.Duration }{
			{0, 0}, {59 * time.Second, 0}, {time.Second, time.Minute}, {30 * time.Second, time.Minute}, {time.Hour, time.Hour + 90*time.Second},
		} {
			pass(step.pass)
			if got := used(); got != step.want {
				t.Errorf("after another %v the last use is at %v, want %v", step.pass, got, step.want)
			}
		}
	})
}

func TestKeyEndsWhenItSaid(t *testing.T) {
	bubble(t, withOwner(), func(t *testing.T, c *clockwork) {
		_, token := c.login()
		p, err := c.resolve(token)
		if err != nil {
			t.Fatal(err)
		}
		k, err := c.CreateApiKey(serverSide(p), &accountsv1.CreateApiKeyRequest{
			Name: "k", Role: accountsv1.Role_ROLE_VIEWER, ExpiresAt: timestamppb.New(time.Now().Add(day)),
		})
		if err != nil {
			t.Fatal(err)
		}
		resolve := func() error {
			_, err := c.ResolveApiKey(context.Background(), &accountsv1.ResolveApiKeyRequest{Key: k.GetKey()})
			return err
		}
		pass(day - time.Millisecond)
		if err := resolve(); err != nil {
			t.Errorf("a moment before: %v", err)
		}
		pass(time.Millisecond)
		wantFault(t, "at its end", resolve(), codes.Unauthenticated)
		list, err := c.ListApiKeys(as(p), &accountsv1.ListApiKeysRequest{})
		if err != nil || len(list.GetApiKeys()) != 0 {
			t.Errorf("listed as live: %v, %v", list, err)
		}
	})
}

func TestSetupLinkEndsAfterADay(t *testing.T) {
	bubble(t, accounts.BootstrapConfig{}, func(t *testing.T, c *clockwork) {
		complete := func() error {
			ctx := grpc.NewContextWithServerTransportStream(identity.NewContext(context.Background(), identity.Anonymous), &headers{})
			_, err := c.CompleteSetup(ctx, &accountsv1.CompleteSetupRequest{Token: c.setup, Email: ownerEmail, Password: ownerPassword})
			return err
		}
		pass(day)
		wantFault(t, "after a day", complete(), codes.PermissionDenied)
		out, err := accounts.Bootstrap(context.Background(), c.store, accounts.BootstrapConfig{})
		if err != nil {
			t.Fatal(err)
		}
		c.setup = out.SetupToken
		pass(day - time.Millisecond)
		if err := complete(); err != nil {
			t.Errorf("a moment before: %v", err)
		}
	})
}

func TestGuesserMayComeBack(t *testing.T) {
	bubble(t, withOwner(), func(t *testing.T, c *clockwork) {
		guess := func() error {
			ctx := identity.NewContext(context.Background(), identity.Anonymous)
			_, err := c.Login(ctx, &accountsv1.LoginRequest{Email: ownerEmail, Password: "wrong"})
			return err
		}
		tried := 0
		for end := time.Now().Add(time.Minute); time.Now().Before(end); pass(100 * time.Millisecond) {
			if code := guess(); code != nil && codeOf(code) == codes.Unauthenticated {
				tried++
			}
		}
		if tried < 10 || tried > 20 { // ten at once, and one more every six seconds
			t.Errorf("%d guesses were tried in the first minute", tried)
		}
		pass(time.Minute)
		wantFault(t, "a minute later", guess(), codes.Unauthenticated)
		c.login()
	})
}
