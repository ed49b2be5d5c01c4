package storetest_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/services/monitors"
	"github.com/frogstats/uptime/services/monitors/sqlite"
	"github.com/frogstats/uptime/services/monitors/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// witness is a testing.TB that remembers a failure instead of passing it on.
type witness struct {
	testing.TB
	mu     sync.Mutex
	failed bool
}

func (w *witness) Fail() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = true
}

func (w *witness) Failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

func (w *witness) Error(...any)          { w.Fail() }
func (w *witness) Errorf(string, ...any) { w.Fail() }
func (w *witness) Fatal(...any)          { w.FailNow() }
func (w *witness) Fatalf(string, ...any) { w.FailNow() }
func (w *witness) FailNow() {
	w.Fail()
	runtime.Goexit()
}

// fails reports whether a case complains of s.
func fails(t *testing.T, c storetest.Case, s monitors.Store) bool {
	w := &witness{TB: t}
	done := make(chan struct{})
	go func() { // of its own, because FailNow ends it
		defer close(done)
		c.Run(w, s)
	}()
	<-done
	return w.Failed()
}

func open(t *testing.T) monitors.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "monitors.db"))
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
	for promise, sabotage := range map[string]func(monitors.Store) monitors.Store{
		"what is written is read":                       func(s monitors.Store) monitors.Store { return noNUL{s} },
		"update":                                        inTx(func(tx monitors.Tx) monitors.Tx { return recreates{tx} }),
		"delete":                                        func(s monitors.Store) monitors.Store { return hidesDeleted{s} },
		"an organization sees its own":                  func(s monitors.Store) monitors.Store { return gossip{s} },
		"external ids are unique":                       inTx(func(tx monitors.Tx) monitors.Tx { return sameExternalID{tx} }),
		"a failed write leaves no trace":                func(s monitors.Store) monitors.Store { return commitsAll{s} },
		"filters":                                       func(s monitors.Store) monitors.Store { return vague{s} },
		"pages":                                         func(s monitors.Store) monitors.Store { return skipsOne{s} },
		"changes come in order":                         func(s monitors.Store) monitors.Store { return backwards{s} },
		"no change is missed":                           func(s monitors.Store) monitors.Store { return &overtaken{Store: s} },
		"concurrent changes":                            inTx(func(tx monitors.Tx) monitors.Tx { return outdated{tx} }),
		"an external id is taken once":                  inTx(func(tx monitors.Tx) monitors.Tx { return sameExternalID{tx} }),
		"answers":                                       inTx(func(tx monitors.Tx) monitors.Tx { return hoards{tx} }),
		"audit rows":                                    inTx(func(tx monitors.Tx) monitors.Tx { return noAudit{tx} }),
		"regions and probers":                           func(s monitors.Store) monitors.Store { return lastFirst{s} },
		"sessions of a prober":                          func(s monitors.Store) monitors.Store { return &anySession{Store: s} },
		"a canceled context":                            func(s monitors.Store) monitors.Store { return tireless{s} },
		"ids are never used again":                      inTx(func(tx monitors.Tx) monitors.Tx { return oneID{tx} }),
		"a refusal does not end its transaction":        inTx(func(tx monitors.Tx) monitors.Tx { return &sulks{Tx: tx} }),
		"a request with a key is carried out once":      inTx(func(tx monitors.Tx) monitors.Tx { return outdated{tx} }),
		"no change is missed behind a long transaction": func(s monitors.Store) monitors.Store { return &overtaken{Store: s} },
		"windows and their versions":                    inTx(func(tx monitors.Tx) monitors.Tx { return keepsWindows{tx} }),
		"an organization sees its own windows":          func(s monitors.Store) monitors.Store { return windowGossip{s} },
		"windows are limited":                           inTx(func(tx monitors.Tx) monitors.Tx { return generous{tx} }),
		"versions of windows come in order":             func(s monitors.Store) monitors.Store { return newestWindows{s} },
	} {
		t.Run(promise, func(t *testing.T) {
			i := slices.IndexFunc(storetest.Cases(), func(c storetest.Case) bool { return c.Name == promise })
			if i < 0 {
				t.Fatal("there is no such case")
			}
			if !fails(t, storetest.Cases()[i], sabotage(open(t))) {
				t.Error("it passes a store that breaks it")
			}
		})
	}
}

func TestEveryCasePassesTheStoreThatTheOthersAreMadeFrom(t *testing.T) {
	for _, c := range storetest.Cases() {
		if fails(t, c, open(t)) {
			t.Errorf("%s fails", c.Name)
		}
	}
}

// inTx breaks what happens inside transactions.
func inTx(wrap func(monitors.Tx) monitors.Tx) func(monitors.Store) monitors.Store {
	return func(s monitors.Store) monitors.Store { return brokenTx{s, wrap} }
}

type brokenTx struct {
	monitors.Store
	wrap func(monitors.Tx) monitors.Tx
}

func (b brokenTx) Write(ctx context.Context, fn func(monitors.Tx) error) error {
	return b.Store.Write(ctx, func(tx monitors.Tx) error { return fn(b.wrap(tx)) })
}

// noNUL loses the character that some engines do not hold.
type noNUL struct{ monitors.Store }

func (b noNUL) Monitor(ctx context.Context, organizationID string, id uint32) (monitors.Monitor, error) {
	m, err := b.Store.Monitor(ctx, organizationID, id)
	if m.Config.HTTP != nil && m.Config.HTTP.Body != nil {
		*m.Config.HTTP.Body = strings.ReplaceAll(*m.Config.HTTP.Body, "\x00", "")
	}
	return m, err
}

// recreates takes a monitor's creation from an update.
type recreates struct{ monitors.Tx }

func (b recreates) Update(ctx context.Context, m monitors.Monitor) error {
	if err := b.Tx.Delete(ctx, m.OrganizationID, m.ID, m.UpdatedAt); err != nil {
		return err
	}
	_, err := b.Insert(ctx, m)
	return err
}

// hidesDeleted keeps deletions from those who watch.
type hidesDeleted struct{ monitors.Store }

func (b hidesDeleted) Changes(ctx context.Context, rev int64, limit int) ([]monitors.Monitor, error) {
	ms, err := b.Store.Changes(ctx, rev, limit)
	return slices.DeleteFunc(ms, monitors.Monitor.Deleted), err
}

// gossip shows the monitors of others.
type gossip struct{ monitors.Store }

func (b gossip) Monitor(ctx context.Context, _ string, id uint32) (monitors.Monitor, error) {
	ms, err := b.Changes(ctx, int64(id)-1, 1)
	if err != nil || len(ms) == 0 {
		return monitors.Monitor{}, errors.Join(monitors.ErrNotFound, err)
	}
	return ms[0], nil
}

// sameExternalID takes for done what was refused.
type sameExternalID struct{ monitors.Tx }

func (b sameExternalID) Insert(ctx context.Context, m monitors.Monitor) (uint32, error) {
	id, err := b.Tx.Insert(ctx, m)
	if errors.Is(err, monitors.ErrExternalIDTaken) {
		m.Config.ExternalID = ""
		return b.Tx.Insert(ctx, m)
	}
	return id, err
}

type commitsAll struct{ monitors.Store }

func (b commitsAll) Write(ctx context.Context, fn func(monitors.Tx) error) error {
	var failed error
	return errors.Join(b.Store.Write(ctx, func(tx monitors.Tx) error {
		failed = fn(tx)
		return nil
	}), failed)
}

// vague finds labels by their key alone.
type vague struct{ monitors.Store }

func (b vague) Monitors(ctx context.Context, f monitors.Filter) ([]monitors.Monitor, error) {
	f.Labels = slices.Clone(f.Labels)
	for i := range f.Labels {
		f.Labels[i].Value = nil
	}
	return b.Store.Monitors(ctx, f)
}

type skipsOne struct{ monitors.Store }

func (b skipsOne) Monitors(ctx context.Context, f monitors.Filter) ([]monitors.Monitor, error) {
	if f.Before > 0 {
		f.Before--
	}
	return b.Store.Monitors(ctx, f)
}

type backwards struct{ monitors.Store }

func (b backwards) Changes(ctx context.Context, rev int64, limit int) ([]monitors.Monitor, error) {
	ms, err := b.Store.Changes(ctx, rev, limit)
	slices.Reverse(ms)
	return ms, err
}

// overtaken shows every fourth change only after the one that follows it, as if its transaction had committed later.
type overtaken struct {
	monitors.Store
	mu   sync.Mutex
	last int64 // shown
}

func (b *overtaken) Changes(ctx context.Context, rev int64, limit int) ([]monitors.Monitor, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ms, err := b.Store.Changes(ctx, rev, limit)
	ms = slices.DeleteFunc(ms, func(m monitors.Monitor) bool { return m.Rev%4 == 1 && m.Rev > b.last })
	if n := len(ms); n > 0 {
		b.last = max(b.last, ms[n-1].Rev)
	}
	return ms, err
}

// outdated shows transactions what there was before others had committed.
type outdated struct{ monitors.Tx }

func (b outdated) Monitor(ctx context.Context, organizationID string, id uint32) (monitors.Monitor, error) {
	m, err := b.Tx.Monitor(ctx, organizationID, id)
	m.Version = 1
	return m, err
}

func (outdated) Answer(context.Context, monitors.AnswerKey, time.Time) (monitors.Answer, bool, error) {
	return monitors.Answer{}, false, nil
}

type hoards struct{ monitors.Tx }

func (b hoards) KeepAnswer(ctx context.Context, k monitors.AnswerKey, a monitors.Answer, _ time.Time) error {
	return b.Tx.KeepAnswer(ctx, k, a, time.UnixMilli(0))
}

type noAudit struct{ monitors.Tx }

func (noAudit) Audit(context.Context, audit.Row) error { return nil }

type lastFirst struct{ monitors.Store }

func (b lastFirst) Probers(ctx context.Context) ([]monitors.Prober, error) {
	ps, err := b.Store.Probers(ctx)
	slices.SortFunc(ps, func(a, b monitors.Prober) int { return strings.Compare(a.ID, b.ID) })
	return ps, err
}

// anySession lets whoever speaks speak for the prober.
type anySession struct {
	monitors.Store
	newest string
}

func (b *anySession) ProberArrived(ctx context.Context, p monitors.Prober, session string) error {
	b.newest = session
	return b.Store.ProberArrived(ctx, p, session)
}

func (b *anySession) ProberLeft(ctx context.Context, id, _ string, at time.Time) error {
	return b.Store.ProberLeft(ctx, id, b.newest, at)
}

type tireless struct{ monitors.Store }

func (b tireless) Write(ctx context.Context, fn func(monitors.Tx) error) error {
	return b.Store.Write(context.WithoutCancel(ctx), func(tx monitors.Tx) error { return fn(tirelessTx{tx}) })
}

type tirelessTx struct{ monitors.Tx }

func (b tirelessTx) Insert(ctx context.Context, m monitors.Monitor) (uint32, error) {
	return b.Tx.Insert(context.WithoutCancel(ctx), m)
}

type oneID struct{ monitors.Tx }

func (b oneID) Insert(ctx context.Context, m monitors.Monitor) (uint32, error) {
	_, err := b.Tx.Insert(ctx, m)
	return 1, err
}

// sulks takes nothing more in a transaction once it has refused something.
type sulks struct {
	monitors.Tx
	refused bool
}

func (b *sulks) Insert(ctx context.Context, m monitors.Monitor) (uint32, error) {
	id, err := b.Tx.Insert(ctx, m)
	b.refused = b.refused || err != nil
	return id, err
}

func (b *sulks) Update(ctx context.Context, m monitors.Monitor) error {
	if b.refused {
		return errors.New("current transaction is aborted")
	}
	return b.Tx.Update(ctx, m)
}
