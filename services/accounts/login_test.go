package accounts_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
	"github.com/frogstats/uptime/services/accounts"
)

func TestLogin(t *testing.T) {
	w := newWorld(t)
	var head metadata.MD
	s, err := w.auth.Login(stranger("6.6.6.6, 192.0.2.7"), &accountsv1.LoginRequest{Email: " Owner@Example.COM ", Password: ownerPassword}, grpc.Header(&head))
	if err != nil {
		t.Fatal(err)
	}
	token := only(t, head, "x-session-token")
	expires, err := time.Parse(time.RFC3339, only(t, head, "x-session-expires"))
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Until(expires) - 90*24*time.Hour; d.Abs() > time.Minute {
		t.Errorf("the cookie ends %v off 90 days", d)
	}
	if s.GetUser().GetEmail() != ownerEmail || s.GetOrganization().GetName() != "Default" ||
		s.GetOrganization().GetRole() != accountsv1.Role_ROLE_OWNER || s.GetIp() != "192.0.2.7" || s.GetUserAgent() != "Frog/1.0" || !s.GetCurrent() {
		t.Errorf("session is %v", s)
	}
	p, err := w.resolve(token)
	if err != nil {
		t.Fatal(err)
	}
	if p.GetKind() != accountsv1.PrincipalKind_PRINCIPAL_KIND_USER || p.GetUserId() != s.GetUser().GetId() || p.GetSessionId() != s.GetId() ||
		p.GetOrganizationId() != s.GetOrganization().GetId() || p.GetRole() != accountsv1.Role_ROLE_OWNER || p.GetName() != ownerEmail || p.GetKeyId() != "" {
		t.Errorf("principal is %v", p)
	}
	again, err := w.auth.GetSession(as(p), &accountsv1.GetSessionRequest{})
	if err != nil || again.GetId() != s.GetId() || !again.GetCurrent() {
		t.Errorf("get session: %v, %v", again, err)
	}
	if got := w.lastAudit(s.GetOrganization().GetId()); !strings.HasPrefix(got, "session.login session "+s.GetId()+" by user owner@example.com from 192.0.2.7") {
		t.Errorf("audit row: %s", got)
	}
}

func TestLoginIsRefusedAlikeForWhateverReason(t *testing.T) {
	w := newWorld(t)
	s, _ := w.login(ownerEmail, ownerPassword)
	var texts []string
	for _, req := range []*accountsv1.LoginRequest{
		{Email: ownerEmail, Password: "wrong"},
		{Email: "nobody@example.com", Password: ownerPassword},
		{Email: "not an address", Password: ownerPassword},
	} {
		var head metadata.MD
		_, err := w.auth.Login(stranger("192.0.2.1"), req, grpc.Header(&head))
		wantCode(t, req.GetEmail(), err, codes.Unauthenticated)
		texts = append(texts, status.Convert(err).Proto().String())
		if head.Get("x-session-token") != nil {
			t.Error("a refused login answers a token")
		}
	}
	if texts[0] != texts[1] || texts[1] != texts[2] {
		t.Errorf("the answers differ: %q", texts)
	}
	got := w.lastAudit(s.GetOrganization().GetId())
	if !strings.HasPrefix(got, "session.login_failed user "+s.GetUser().GetId()+" by   from 192.0.2.1") {
		t.Errorf("audit row: %s", got)
	}
}

// The work is the same; the rest is hidden by answering in whole steps.
func TestLoginTakesAsLongForNobody(t *testing.T) {
	w := newWorld(t)
	took := func(email string) time.Duration {
		start := time.Now()
		_, err := w.auth.Login(stranger("192.0.2.1"), &accountsv1.LoginRequest{Email: email, Password: "wrong"})
		wantCode(t, email, err, codes.Unauthenticated)
		return time.Since(start)
	}
	for _, email := range []string{ownerEmail, "nobody@example.com"} {
		if d := took(email); d < 100*time.Millisecond {
			t.Errorf("%s is refused after %v, before the first step", email, d)
		}
	}
}

func TestGuessingIsLimited(t *testing.T) {
	w := newWorld(t)
	guess := func(ip, email, password string) error {
		_, err := w.auth.Login(stranger(ip), &accountsv1.LoginRequest{Email: email, Password: password})
		return err
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	got := map[codes.Code]int{}
	for range 30 {
		group.Go(func() {
			err := guess("192.0.2.1", ownerEmail, "wrong")
			mu.Lock()
			defer mu.Unlock()
			got[status.Code(err)]++
		})
	}
	group.Wait()
	if got[codes.Unauthenticated] != 10 || got[codes.ResourceExhausted] != 20 {
		t.Errorf("30 guesses at once: %v, want 10 tried and 20 refused", got)
	}
	err := guess("192.0.2.1", strings.ToUpper(ownerEmail), ownerPassword)
	wantCode(t, "the right password, too late", err, codes.ResourceExhausted)
	f := fault.FromStatus(status.Convert(err))
	if f.RetryAfter <= 0 || f.RetryAfter > 6*time.Second || f.Reason != "TOO_MANY_ATTEMPTS" {
		t.Errorf("come back after %v because %s", f.RetryAfter, f.Reason)
	}
	wantCode(t, "another account", guess("192.0.2.1", "nobody@example.com", "wrong"), codes.Unauthenticated)
	wantCode(t, "another address", guess("192.0.2.2", ownerEmail, ownerPassword), codes.OK)
	for range 25 {
		wantCode(t, "who knows the password may sign in often", guess("192.0.2.3", ownerEmail, ownerPassword), codes.OK)
	}
}

func TestManySignInAtOnce(t *testing.T) {
	w := newWorld(t)
	const many = 40
	tokens := make([]string, many)
	var group sync.WaitGroup
	for i := range tokens {
		group.Go(func() {
			var head metadata.MD
			ctx := stranger("198.51.100." + string(rune('0'+i%10)))
			if _, err := w.auth.Login(ctx, &accountsv1.LoginRequest{Email: ownerEmail, Password: ownerPassword}, grpc.Header(&head)); err != nil {
				t.Errorf("login %d: %v", i, err)
				return
			}
			tokens[i] = head.Get("x-session-token")[0]
		})
	}
	group.Wait()
	seen := map[string]bool{}
	for _, token := range tokens {
		p, err := w.resolve(token)
		if err != nil {
			t.Fatalf("resolve: %v", err)
		}
		if seen[p.GetSessionId()] {
			t.Error("two sign-ins share a session")
		}
		seen[p.GetSessionId()] = true
	}
}

// What a client brings along to the sign-in must neither become the session nor survive it.
func TestLoginAlwaysBeginsANewSession(t *testing.T) {
	w := newWorld(t)
	_, before := w.login(ownerEmail, ownerPassword)
	planted := metadata.AppendToOutgoingContext(w.with(before), "x-session-token", before, "cookie", "session="+before)
	var head metadata.MD
	s, err := w.auth.Login(planted, &accountsv1.LoginRequest{Email: ownerEmail, Password: ownerPassword}, grpc.Header(&head))
	if err != nil {
		t.Fatal(err)
	}
	after := only(t, head, "x-session-token")
	if after == before {
		t.Error("the token stayed the same")
	}
	_, err = w.resolve(before)
	wantCode(t, "the session before", err, codes.Unauthenticated)
	if p, err := w.resolve(after); err != nil || p.GetSessionId() != s.GetId() {
		t.Errorf("the session after: %v, %v", p, err)
	}
}

func TestLogout(t *testing.T) {
	w := newWorld(t)
	s, token := w.login(ownerEmail, ownerPassword)
	_, other := w.login(ownerEmail, ownerPassword)
	ctx := w.with(token)
	for range 2 { // the second, of a page that was still open, changes nothing
		var head metadata.MD
		if _, err := w.auth.Logout(ctx, &accountsv1.LogoutRequest{}, grpc.Header(&head)); err != nil {
			t.Fatal(err)
		}
		if only(t, head, "x-session-clear") != "1" || only(t, head, "x-http-code") != "204" {
			t.Errorf("header: %v", head)
		}
	}
	_, err := w.resolve(token)
	wantCode(t, "after logout", err, codes.Unauthenticated)
	_, err = w.auth.GetSession(ctx, &accountsv1.GetSessionRequest{})
	wantCode(t, "a request that was resolved before", err, codes.Unauthenticated)
	w.with(other)
	if got := w.lastAudit(s.GetOrganization().GetId()); !strings.HasPrefix(got, "session.logout session "+s.GetId()+" by user owner@example.com") {
		t.Errorf("audit row: %s", got)
	}
}

func TestSessionsAreOnesOwn(t *testing.T) {
	w := newWorld(t)
	_, token := w.login(ownerEmail, ownerPassword)
	ctx := w.with(token)
	w.member(ctx, "toad@example.com", "toad's password", accountsv1.Role_ROLE_OWNER)
	toads, toadToken := w.login("toad@example.com", "toad's password")
	second, secondToken := w.login(ownerEmail, ownerPassword)
	all, err := w.auth.ListSessions(ctx, &accountsv1.ListSessionsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(all.GetSessions()); n != 2 {
		t.Fatalf("%d sessions, want 2", n)
	}
	if first := all.GetSessions()[0]; first.GetId() != second.GetId() || first.GetCurrent() || !all.GetSessions()[1].GetCurrent() {
		t.Errorf("sessions: %v", all)
	}
	_, err = w.auth.RevokeSession(ctx, &accountsv1.RevokeSessionRequest{Id: toads.GetId()})
	wantCode(t, "revoke another's session", err, codes.NotFound)
	w.with(toadToken)
	var head metadata.MD
	if _, err := w.auth.RevokeSession(ctx, &accountsv1.RevokeSessionRequest{Id: second.GetId()}, grpc.Header(&head)); err != nil {
		t.Fatal(err)
	}
	if head.Get("x-session-clear") != nil {
		t.Error("revoking another session clears this cookie")
	}
	_, err = w.resolve(secondToken)
	wantCode(t, "revoked", err, codes.Unauthenticated)
	if _, err := w.auth.RevokeSession(ctx, &accountsv1.RevokeSessionRequest{Id: all.GetSessions()[1].GetId()}, grpc.Header(&head)); err != nil {
		t.Fatal(err)
	}
	if only(t, head, "x-session-clear") != "1" {
		t.Error("revoking this session keeps the cookie")
	}
}

func TestSessionsOfOneUserAreBounded(t *testing.T) {
	w := newWorld(t)
	_, first := w.login(ownerEmail, ownerPassword)
	var last string
	for range 100 {
		_, last = w.login(ownerEmail, ownerPassword)
	}
	all, err := w.auth.ListSessions(w.with(last), &accountsv1.ListSessionsRequest{})
	if err != nil || len(all.GetSessions()) != 100 {
		t.Errorf("%d sessions, %v; want 100", len(all.GetSessions()), err)
	}
	_, err = w.resolve(first)
	wantCode(t, "the longest unused", err, codes.Unauthenticated)
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t)
	s, token := w.login(ownerEmail, ownerPassword)
	_, other := w.login(ownerEmail, ownerPassword)
	ctx := w.with(token)
	_, err := w.auth.ChangePassword(ctx, &accountsv1.ChangePasswordRequest{CurrentPassword: "wrong", NewPassword: "new password"})
	wantCode(t, "wrong current password", err, codes.InvalidArgument)
	if f := fault.FromStatus(status.Convert(err)); len(f.Fields) != 1 || f.Fields[0].Name != "current_password" {
		t.Errorf("fields: %v", f.Fields)
	}
	_, err = w.auth.ChangePassword(ctx, &accountsv1.ChangePasswordRequest{CurrentPassword: ownerPassword, NewPassword: "short"})
	wantCode(t, "short new password", err, codes.InvalidArgument)
	w.with(other) // so far nothing has happened
	var head metadata.MD
	if _, err := w.auth.ChangePassword(ctx, &accountsv1.ChangePasswordRequest{CurrentPassword: ownerPassword, NewPassword: "new password"}, grpc.Header(&head)); err != nil {
		t.Fatal(err)
	}
	if only(t, head, "x-http-code") != "204" {
		t.Errorf("header: %v", head)
	}
	w.with(token)
	_, err = w.resolve(other)
	wantCode(t, "the other session", err, codes.Unauthenticated)
	_, err = w.auth.Login(stranger("192.0.2.1"), &accountsv1.LoginRequest{Email: ownerEmail, Password: ownerPassword})
	wantCode(t, "the old password", err, codes.Unauthenticated)
	w.login(ownerEmail, "new password")
	got := strings.Join(w.actions(s.GetOrganization().GetId()), " ")
	if !strings.Contains(got, "user.password_change_failed user.password_change session.login_failed session.login") {
		t.Errorf("audit: %s", got)
	}
}

func TestGuessingThePasswordFromAnOpenSessionIsLimited(t *testing.T) {
	w := newWorld(t)
	ctx := w.owner()
	for i := range 11 {
		_, err := w.auth.ChangePassword(ctx, &accountsv1.ChangePasswordRequest{CurrentPassword: "wrong", NewPassword: "new password"})
		if want := codes.InvalidArgument; i < 10 {
			wantCode(t, "guess", err, want)
		} else {
			wantCode(t, "guess too many", err, codes.ResourceExhausted)
		}
	}
}

func TestOldHashIsReplacedAtLogin(t *testing.T) {
	w := newWorld(t)
	before, err := w.store.UserByEmail(t.Context(), ownerEmail)
	if err != nil {
		t.Fatal(err)
	}
	stronger := accounts.PasswordParams{MemoryKiB: 128, Time: 1, Threads: 1}
	next := accounts.New(accounts.Deps{Store: w.store, Log: slog.New(slog.DiscardHandler), Passwords: stronger})
	conn := rpctest.Conn(t, "accounts", next.Register, policy())
	auth := accountsv1.NewAuthServiceClient(conn)
	for range 2 {
		if _, err := auth.Login(stranger("192.0.2.1"), &accountsv1.LoginRequest{Email: ownerEmail, Password: ownerPassword}); err != nil {
			t.Fatal(err)
		}
	}
	after, err := w.store.UserByEmail(t.Context(), ownerEmail)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(after.PasswordHash, "m=128,") || !after.PasswordChangedAt.Equal(before.PasswordChangedAt) {
		t.Errorf("after login the hash is %.40s…, changed at %v (before: %v)", after.PasswordHash, after.PasswordChangedAt, before.PasswordChangedAt)
	}
}

func TestResolveRefusesWhatIsNoToken(t *testing.T) {
	w := newWorld(t)
	for _, token := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 42) + "B", strings.Repeat("\x00", 43), strings.Repeat("A", 513)} {
		_, err := w.resolve(token)
		if got := status.Code(err); got != codes.Unauthenticated && got != codes.InvalidArgument {
			t.Errorf("%q: %v", token, err)
		}
	}
}

func BenchmarkResolveSession(b *testing.B) {
	w := newWorld(b)
	_, token := w.login(ownerEmail, ownerPassword)
	req := &accountsv1.ResolveSessionRequest{Token: token}
	ctx := context.Background()
	for b.Loop() {
		if _, err := w.service.ResolveSession(ctx, req); err != nil {
			b.Fatal(err)
		}
	}
}
