package postgrestest

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Road leads to a server. It can be made to lose the answers to commits.
type Road struct {
	dsn    string
	target string
	lose   atomic.Bool
}

// NewRoad builds a road to the server of a DSN, a URL. It ends with the test.
func NewRoad(t testing.TB, dsn string) *Road {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Road{target: u.Host}
	u.Host = l.Addr().String()
	r.dsn = u.String()
	var carriers sync.WaitGroup
	carriers.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			carriers.Go(func() { r.carry(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		carriers.Wait() // its clients close before it: they were opened later
	})
	return r
}

// DSN leads over the road.
func (r *Road) DSN() string { return r.dsn }

// LoseCommits breaks each connection at its next commit, which still arrives, while its answer does not.
func (r *Road) LoseCommits() { r.lose.Store(true) }

func (r *Road) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	defer back.Wait()
	defer server.Close()
	var broken atomic.Bool
	back.Go(func() {
		defer client.Close()
		buf := make([]byte, 32<<10)
		for {
			n, err := server.Read(buf)
			if broken.Load() || err != nil {
				return // the commit has been answered, to nobody
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	buf := make([]byte, 32<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if r.lose.Load() && bytes.Contains(buf[:n], []byte("commit\x00")) {
			broken.Store(true)
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
		if broken.Load() {
			_, _ = io.Copy(io.Discard, client) // until the other way has ended, and closed it
			return
		}
	}
}
