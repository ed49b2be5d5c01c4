package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
)

// CheckKeyCache fills the cache beyond its size and lets it age. It must run in a bubble.
func CheckKeyCache(t *testing.T) {
	var c keyCache
	for i := range 3 * keyCacheSize {
		c.put(fmt.Sprint(i), identity.Principal{KeyID: fmt.Sprint(i)})
		if len(c.held) > keyCacheSize {
			t.Fatalf("%d keys held", len(c.held))
		}
	}
	last := fmt.Sprint(3*keyCacheSize - 1)
	if p, ok := c.get(last); !ok || p.KeyID != last {
		t.Errorf("the newest key is gone")
	}
	<-time.After(keyCacheTTL)
	if _, ok := c.get(last); ok {
		t.Errorf("a key is kept longer than %v", keyCacheTTL)
	}
}

// CheckStreams opens as many streams as one actor may, and one more.
func CheckStreams(t *testing.T) {
	s := newStreams()
	defer s.stop()
	var leave []func()
	for range maxStreamsPerActor {
		l, err := s.enter("user1")
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	if _, err := s.enter("user1"); !fault.Is(err, fault.KindExhausted) {
		t.Errorf("one too many: %v", err)
	}
	if l, err := s.enter("user2"); err != nil {
		t.Errorf("another actor: %v", err)
	} else {
		l()
	}
	for _, l := range leave {
		l()
	}
	if s.open != 0 || len(s.perActor) != 0 {
		t.Errorf("left behind: %d, %v", s.open, s.perActor)
	}
	s.stop()
	if _, err := s.enter("user1"); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("after the end: %v", err)
	}
}

// CheckFollower watches a silent stream: heartbeats come, accounts out of reach changes nothing, and a revoked key, a lost
// role or another organization ends it.
func CheckFollower(t *testing.T) {
	good := &accountsv1.Principal{Kind: accountsv1.PrincipalKind_PRINCIPAL_KIND_API_KEY, KeyId: "k", OrganizationId: "org", Role: accountsv1.Role_ROLE_VIEWER}
	tests := []struct {
		name  string
		then  *accountsv1.Principal
		err   error
		stays bool
	}{
		{"still good", good, nil, true},
		{"accounts out of reach", nil, fault.Unavailable(""), true},
		{"revoked", nil, fault.Unauthenticated(""), false},
		{"role taken away", &accountsv1.Principal{Kind: good.GetKind(), KeyId: "k", OrganizationId: "org"}, nil, false},
		{"another organization", &accountsv1.Principal{Kind: good.GetKind(), KeyId: "k", OrganizationId: "other", Role: good.GetRole()}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				g := &Gateway{auth: authenticator{identity: scripted{tt.then, tt.err}}}
				w := httptest.NewRecorder()
				q := &request{principal: identity.Principal{OrganizationID: "org"}, secret: credential{bearer: true, secret: "s"}}
				f := &follower{g: g, w: w, rc: http.NewResponseController(w), ctx: ctx, q: q, received: make(chan received)}
				ended := make(chan error, 1)
				go func() { ended <- f.follow(nil) }()
				<-time.After(65 * time.Second)
				synctest.Wait()
				select {
				case err := <-ended:
					if tt.stays || err == nil {
						t.Errorf("ended with %v", err)
					}
				default:
					if !tt.stays {
						t.Errorf("still open after 65 s")
					}
					if n := strings.Count(w.Body.String(), ": still here\n\n"); n != 4 {
						t.Errorf("%d heartbeats in 65 s", n)
					}
				}
				cancel()
			})
		})
	}
}

// scripted gives one answer to every question about a credential.
type scripted struct {
	principal *accountsv1.Principal
	err       error
}

func (s scripted) ResolveSession(context.Context, *accountsv1.ResolveSessionRequest, ...grpc.CallOption) (*accountsv1.Principal, error) {
	return s.principal, fault.ToStatus(s.err).Err()
}

func (s scripted) ResolveApiKey(context.Context, *accountsv1.ResolveApiKeyRequest, ...grpc.CallOption) (*accountsv1.Principal, error) {
	return s.principal, fault.ToStatus(s.err).Err()
}

// Route is what tests may know of a route.
type Route struct {
	Verb, Pattern string
	Full          string // empty for the edge's own
	Body          string
	Taken         []string
	Public        bool
}

// Routes lists the REST surface.
func (g *Gateway) Routes() []Route {
	var out []Route
	for _, rt := range g.routes {
		out = append(out, Route{rt.verb, rt.pattern, rt.full, rt.body, rt.taken, rt.public})
	}
	return out
}

// CheckSlowClient follows with a client that reads nothing.
func CheckSlowClient(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := &stuck{ResponseRecorder: httptest.NewRecorder()}
		f := &follower{g: &Gateway{}, w: w, rc: http.NewResponseController(w), ctx: t.Context(), q: &request{}, received: make(chan received)}
		start := time.Now()
		if err := f.follow(nil); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != streamWrite {
			t.Errorf("ended after %v with %v", time.Since(start), err)
		}
	})
}

// stuck is a connection whose buffers are full.
type stuck struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (s *stuck) SetWriteDeadline(at time.Time) error {
	s.deadline = at
	return nil
}

func (s *stuck) Write([]byte) (int, error) {
	<-time.After(time.Until(s.deadline))
	return 0, os.ErrDeadlineExceeded
}
