package accounts

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
)

// ListApiKeys implements accountsv1.OrganizationsServiceServer.
func (s *Service) ListApiKeys(ctx context.Context, _ *accountsv1.ListApiKeysRequest) (*accountsv1.ListApiKeysResponse, error) {
	all, err := s.store.LiveKeys(ctx, caller(ctx).OrganizationID, now())
	if err != nil {
		return nil, fmt.Errorf("list api keys: %w", err)
	}
	out := &accountsv1.ListApiKeysResponse{}
	for _, k := range all {
		out.ApiKeys = append(out.ApiKeys, keyToProto(k))
	}
	return out, nil
}

// CreateApiKey implements accountsv1.OrganizationsServiceServer. The text of the key is in the answer and nowhere else.
func (s *Service) CreateApiKey(ctx context.Context, req *accountsv1.CreateApiKeyRequest) (*accountsv1.ApiKey, error) {
	p := caller(ctx)
	role := roleFromProto(req.GetRole())
	if err := mayGrant(p.Role, role); err != nil {
		return nil, err
	}
	name, err := givenName("name", req.GetName())
	if err != nil {
		return nil, err
	}
	k := Key{
		ID: newID(), OrganizationID: p.OrganizationID, Name: name, Role: role, CreatedBy: p.UserID, CreatedAt: now(),
	}
	if k.ExpiresAt, err = keyExpiry(req, k.CreatedAt); err != nil {
		return nil, err
	}
	text := newKey(k.ID)
	k.Prefix = displayPrefix(text)
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := tx.InsertKey(ctx, k, hashSecret(text)); err != nil {
			return err
		}
		return record(ctx, tx, "api_key.create", "api_key", k.ID, nil, recordOfKey(k))
	})
	if err != nil {
		return nil, fmt.Errorf("create api key: %w", err)
	}
	out := keyToProto(k)
	out.Key = &text
	return out, answerHeader(ctx, httpCodeKey, "201")
}

// keyExpiry is zero for never.
func keyExpiry(req *accountsv1.CreateApiKeyRequest, at time.Time) (time.Time, error) {
	if req.GetExpiresAt() == nil {
		return time.Time{}, nil
	}
	if err := req.GetExpiresAt().CheckValid(); err != nil {
		return time.Time{}, badField("expires_at", "is not a time")
	}
	expires := req.GetExpiresAt().AsTime().Truncate(time.Millisecond)
	if !expires.After(at) {
		return time.Time{}, badField("expires_at", "must be in the future")
	}
	return expires, nil
}

// RevokeApiKey implements accountsv1.OrganizationsServiceServer. An administrator may revoke a key whose role is above the
// own: taking a leaked key away must not wait for an owner.
func (s *Service) RevokeApiKey(ctx context.Context, req *accountsv1.RevokeApiKeyRequest) (*emptypb.Empty, error) {
	p := caller(ctx)
	err := s.store.Update(ctx, func(tx Tx) error {
		k, err := tx.Key(ctx, p.OrganizationID, req.GetId())
		if err != nil {
			return orNotFound(err, "API key")
		}
		return revokeKey(ctx, tx, k)
	})
	if err != nil {
		return nil, fmt.Errorf("revoke api key: %w", err)
	}
	return &emptypb.Empty{}, answerHeader(ctx, httpCodeKey, "204")
}

func revokeKey(ctx context.Context, tx Tx, k Key) error {
	if err := tx.RevokeKey(ctx, k.OrganizationID, k.ID, now()); err != nil {
		return orNotFound(err, "API key")
	}
	return record(ctx, tx, "api_key.revoke", "api_key", k.ID, recordOfKey(k), nil)
}
