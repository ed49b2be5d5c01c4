package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/accounts"
	"github.com/frogstats/uptime/services/accounts/sqlite"
	"github.com/frogstats/uptime/services/accounts/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a TB that remembers instead of failing.
type recorder struct{ failures []string }

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// check runs a case to its end and returns what it complained about.
func check(c storetest.Case, s accounts.Store) []string {
	var r recorder
	done := make(chan struct{})
	go func() { // of its own, because Fatalf ends it
		defer close(done)
		c.Check(&r, s)
	}()
	<-done
	return r.failures
}

func open(t *testing.T) accounts.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "accounts.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// Each of these breaks one promise of a store that keeps all others; the case for that promise must notice.
func TestSuiteNoticesABrokenStore(t *testing.T) {
	for promise, sabotage := range map[string]func(accounts.Store) accounts.Store{
		"a failed transaction leaves nothing, its audit row included": func(s accounts.Store) accounts.Store {
			return commitsAll{s}
		},
		"a transaction sees what it wrote": func(s accounts.Store) accounts.Store { return readsBeside{s} },
		"transactions look as if they ran one after the other": inTx(func(tx accounts.Tx) accounts.Tx {
			return countsTheGone{tx}
		}),
		"audit rows are listed newest first, of one organization, before a time": inTx(func(tx accounts.Tx) accounts.Tx {
			return noAudit{tx}
		}),
		"an e-mail belongs to one user":                        inTx(func(tx accounts.Tx) accounts.Tx { return sameEmail{tx} }),
		"trimming ends the expired, the idle and the too many": inTx(func(tx accounts.Tx) accounts.Tx { return noTrim{tx} }),
		"all other sessions of one user are ended":             inTx(func(tx accounts.Tx) accounts.Tx { return endsAll{tx} }),
		"a key is revoked once, in its organization":           inTx(func(tx accounts.Tx) accounts.Tx { return revokesAny{tx} }),
		"a use is noted, and never turned back":                func(s accounts.Store) accounts.Store { return noTouch{s} },
		"members are listed by e-mail, without those of others": func(s accounts.Store) accounts.Store {
			return backwards{s}
		},
		"a user is found by id and by e-mail as it was inserted": func(s accounts.Store) accounts.Store {
			return seconds{s}
		},
		"a session has the role of this moment": func(s accounts.Store) accounts.Store { return staleRole{s} },
	} {
		i := slices.IndexFunc(storetest.Cases(), func(c storetest.Case) bool { return c.Name == promise })
		if i < 0 {
			t.Errorf("there is no case %q", promise)
			continue
		}
		if len(check(storetest.Cases()[i], sabotage(open(t)))) == 0 {
			t.Errorf("%q passes a store that breaks it", promise)
		}
	}
}

func TestSuitePassesTheStoreThatTheOthersAreMadeFrom(t *testing.T) {
	for _, c := range storetest.Cases() {
		if failures := check(c, open(t)); len(failures) > 0 {
			t.Errorf("%s: %v", c.Name, failures)
		}
	}
}

// inTx breaks what happens inside transactions.
func inTx(wrap func(accounts.Tx) accounts.Tx) func(accounts.Store) accounts.Store {
	return func(s accounts.Store) accounts.Store { return brokenTx{s, wrap} }
}

type brokenTx struct {
	accounts.Store
	wrap func(accounts.Tx) accounts.Tx
}

func (b brokenTx) Update(ctx context.Context, fn func(accounts.Tx) error) error {
	return b.Store.Update(ctx, func(tx accounts.Tx) error { return fn(b.wrap(tx)) })
}

type commitsAll struct{ accounts.Store }

func (b commitsAll) Update(ctx context.Context, fn func(accounts.Tx) error) error {
	var failed error
	return errors.Join(b.Store.Update(ctx, func(tx accounts.Tx) error {
		failed = fn(tx)
		return nil
	}), failed)
}

type readsBeside struct{ accounts.Store }

type besideTx struct {
	accounts.Reads
	accounts.UserWrites
	accounts.OrganizationWrites
	accounts.MemberWrites
	accounts.SessionWrites
	accounts.KeyWrites
	accounts.SetupWrites
	auditor
}

type auditor interface {
	Audit(ctx context.Context, row audit.Row) error
}

func (b readsBeside) Update(ctx context.Context, fn func(accounts.Tx) error) error {
	return b.Store.Update(ctx, func(tx accounts.Tx) error { return fn(besideTx{b.Store, tx, tx, tx, tx, tx, tx, tx}) })
}

// countsTheGone still sees a row that another transaction has taken away meanwhile.
type countsTheGone struct{ accounts.Tx }

func (b countsTheGone) CountMembers(ctx context.Context, organizationID string, role identity.Role) (int, error) {
	n, err := b.Tx.CountMembers(ctx, organizationID, role)
	return n + 1, err
}

type noAudit struct{ accounts.Tx }

func (noAudit) Audit(context.Context, audit.Row) error { return nil }

type sameEmail struct{ accounts.Tx }

func (b sameEmail) InsertUser(ctx context.Context, u accounts.User) error {
	if err := b.Tx.InsertUser(ctx, u); !errors.Is(err, accounts.ErrExists) {
		return err
	}
	return nil
}

type noTrim struct{ accounts.Tx }

func (noTrim) TrimSessions(context.Context, string, time.Time, time.Time, int) error { return nil }

type endsAll struct{ accounts.Tx }

func (b endsAll) DeleteOtherSessions(ctx context.Context, userID, _ string) (int, error) {
	return b.Tx.DeleteOtherSessions(ctx, userID, "")
}

type revokesAny struct{ accounts.Tx }

func (b revokesAny) RevokeKey(ctx context.Context, organizationID, id string, at time.Time) error {
	if err := b.Tx.RevokeKey(ctx, organizationID, id, at); !errors.Is(err, accounts.ErrNotFound) {
		return err
	}
	return nil
}

type noTouch struct{ accounts.Store }

func (noTouch) TouchSession(context.Context, string, time.Time) error { return nil }

type backwards struct{ accounts.Store }

func (b backwards) Members(ctx context.Context, organizationID string) ([]accounts.Member, error) {
	all, err := b.Store.Members(ctx, organizationID)
	slices.Reverse(all)
	return all, err
}

type seconds struct{ accounts.Store }

func (b seconds) User(ctx context.Context, id string) (accounts.User, error) {
	u, err := b.Store.User(ctx, id)
	u.CreatedAt = u.CreatedAt.Truncate(time.Second)
	return u, err
}

type staleRole struct{ accounts.Store }

func (b staleRole) SessionByToken(ctx context.Context, hash accounts.SecretHash) (accounts.SignedIn, error) {
	in, err := b.Store.SessionByToken(ctx, hash)
	if err == nil && in.Session.OrganizationID != "" {
		in.Role = "owner"
	}
	return in, err
}
