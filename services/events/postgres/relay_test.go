package postgres_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/postgres"
)

// relay stands between a client and the server, and breaks a connection at a chosen moment.
type relay struct {
	listener net.Listener
	server   string
	cut      atomic.Int32
	wg       sync.WaitGroup
	mu       sync.Mutex
	open     []net.Conn
}

// The moments.
const (
	beforeCommit int32 = 1 // the request to commit does not reach the server
	afterCommit  int32 = 2 // the answer that it is committed does not reach the client
)

// newRelay returns one and the DSN that leads through it.
func newRelay(t *testing.T, dsn string) (*relay, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{server: u.Host}
	if r.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = r.listener.Addr().String()
	r.wg.Go(r.accept)
	t.Cleanup(func() {
		_ = r.listener.Close()
		r.mu.Lock()
		for _, c := range r.open {
			_ = c.Close()
		}
		r.mu.Unlock()
		r.wg.Wait()
	})
	return r, u.String()
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		r.mu.Lock()
		r.open = append(r.open, client, server)
		r.mu.Unlock()
		r.wg.Go(func() { r.pass(client, server, beforeCommit, "commit\x00") })
		r.wg.Go(func() { r.pass(server, client, afterCommit, "COMMIT\x00") })
	}
}

// pass copies until it meets the bytes at which it is to break, or the end.
func (r *relay) pass(from, to net.Conn, moment int32, at string) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 64*1024)
	for {
		n, err := from.Read(buf)
		if bytes.Contains(buf[:n], []byte(at)) && r.cut.CompareAndSwap(moment, 0) {
			return
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// TestCommitInDoubt breaks the connection around the moment of committing: repeated, with or without more, nothing is lost and
// nothing announced twice.
func TestCommitInDoubt(t *testing.T) {
	for name, moment := range map[string]int32{"stored": afterCommit, "not stored": beforeCommit} {
		t.Run(name, func(t *testing.T) {
			dsn := postgrestest.DSN(t)
			r, through := newRelay(t, dsn)
			s := openState(t, through)
			own(t, s)
			c := some(1, "a")
			var want []string
			fail := func() {
				t.Helper()
				r.cut.Store(moment)
				if err := s.Commit(t.Context(), c); err == nil || errors.Is(err, postgres.ErrSuperseded) {
					t.Fatalf("commit: %v", err)
				}
			}
			more := func(body string) {
				c.Feed = append(c.Feed, events.FeedRow{OrganizationID: "o", MonitorID: 2, Kind: events.FeedObservation, Body: []byte(body)})
			}
			check := func() {
				t.Helper()
				commit(t, s, c)
				for _, row := range c.Feed {
					want = append(want, string(row.Body))
				}
				if d := cmp.Diff(want, told(t, s)); d != "" {
					t.Fatal(d)
				}
			}
			fail()
			check() // the same again
			c = some(1, "b")
			fail()
			more("c")
			check() // with more behind
			c = some(1, "d")
			fail()
			more("e")
			fail()
			fail()
			more("f")
			check() // in doubt more than once
			for i := range 3 {
				c = some(1, fmt.Sprint(i)) // and no harm done to what follows
				check()
			}
		})
	}
}
