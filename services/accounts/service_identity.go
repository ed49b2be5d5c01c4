package accounts

import (
	"context"
	"errors"
	"fmt"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/fault"
)

// One text for every way in which a credential can be wrong: which one it was helps only those who guess.
var (
	errBadSession = fault.Unauthenticated("the session is not valid or has ended").Because("BAD_SESSION")
	errBadKey     = fault.Unauthenticated("the API key is not valid").Because("BAD_API_KEY")
)

// ResolveSession implements accountsv1.IdentityServiceServer.
func (s *Service) ResolveSession(ctx context.Context, req *accountsv1.ResolveSessionRequest) (*accountsv1.Principal, error) {
	if !plausibleToken(req.GetToken()) {
		return nil, errBadSession
	}
	in, err := s.store.SessionByToken(ctx, hashSecret(req.GetToken()))
	if errors.Is(err, ErrNotFound) {
		return nil, errBadSession
	}
	if err != nil {
		return nil, fmt.Errorf("resolve session: %w", err)
	}
	at := now()
	if !in.Session.live(at) {
		return nil, errBadSession
	}
	if at.Sub(in.Session.LastUsedAt) >= touchEvery {
		if err := s.store.TouchSession(ctx, in.Session.ID, at); err != nil { // no reason to lock somebody out
			s.log.WarnContext(ctx, "session use not noted", "session_id", in.Session.ID, "error", err.Error())
		}
	}
	return principalToProto(sessionPrincipal(in)), nil
}

// ResolveApiKey implements accountsv1.IdentityServiceServer.
func (s *Service) ResolveApiKey(ctx context.Context, req *accountsv1.ResolveApiKeyRequest) (*accountsv1.Principal, error) {
	if !plausibleKey(req.GetKey()) {
		return nil, errBadKey
	}
	k, err := s.store.KeyByHash(ctx, hashSecret(req.GetKey()))
	if errors.Is(err, ErrNotFound) {
		return nil, errBadKey
	}
	if err != nil {
		return nil, fmt.Errorf("resolve api key: %w", err)
	}
	at := now()
	if !k.live(at) {
		return nil, errBadKey
	}
	if k.LastUsedAt.IsZero() || at.Sub(k.LastUsedAt) >= touchEvery {
		if err := s.store.TouchKey(ctx, k.ID, at); err != nil {
			s.log.WarnContext(ctx, "api key use not noted", "key_id", k.ID, "error", err.Error())
		}
	}
	return principalToProto(keyPrincipal(k)), nil
}
