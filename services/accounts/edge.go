package accounts

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/frogstats/uptime/internal/identity"
)

// What the edge tells us about a request, and what we tell the edge about the answer, both as gRPC metadata.
const (
	forwardedForKey = "x-forwarded-for"        // the last address is the one that the edge itself saw
	userAgentKey    = "grpcgateway-user-agent" // the browser's, not our own client's

	httpCodeKey       = "x-http-code"       // status of the HTTP answer
	sessionTokenKey   = "x-session-token"   // new content of the cookie
	sessionExpiresKey = "x-session-expires" // its end, RFC 3339
	sessionClearKey   = "x-session-clear"   // "1": remove the cookie
)

// answerHeader sends header fields with the answer.
func answerHeader(ctx context.Context, keyValues ...string) error {
	if err := grpc.SetHeader(ctx, metadata.Pairs(keyValues...)); err != nil {
		return fmt.Errorf("answer header: %w", err)
	}
	return nil
}

func answerSession(ctx context.Context, token string, expires time.Time) error {
	return answerHeader(ctx, sessionTokenKey, token, sessionExpiresKey, expires.Format(time.RFC3339))
}

// remoteIP is where the request came from, "" if unknown. Of the forwarded addresses only the last can be believed: those
// before it were written by whoever sent the request.
func remoteIP(ctx context.Context) string {
	if p, ok := identity.FromContext(ctx); ok && p.RemoteIP != "" {
		return p.RemoteIP
	}
	all := strings.Split(strings.Join(metadata.ValueFromIncomingContext(ctx, forwardedForKey), ","), ",")
	a, err := netip.ParseAddr(strings.TrimSpace(all[len(all)-1]))
	if err != nil {
		return ""
	}
	return a.Unmap().String()
}

// userAgent is what the client calls itself, cut to a size that can be stored and shown.
func userAgent(ctx context.Context) string {
	given := metadata.ValueFromIncomingContext(ctx, userAgentKey)
	if len(given) == 0 {
		return ""
	}
	s := given[0]
	if len(s) > maxUserAgentBytes {
		s = s[:maxUserAgentBytes]
	}
	return strings.ToValidUTF8(s, "")
}
