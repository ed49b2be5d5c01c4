package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/frogstats/uptime/bench/measure"
	"github.com/frogstats/uptime/bench/product"
)

const portsPerAddress = 100

// targets are listeners that accept, count and let the other side close first.
type targets struct {
	listeners []net.Listener
	addresses []*net.TCPAddr
	accepted  atomic.Int64
}

// listenMany opens n listeners over as many loopback addresses as it takes, so that
// ephemeral ports do not run out.
func listenMany(n int) (*targets, error) {
	t := &targets{}
	for i := range n {
		ip := net.IPv4(127, 0, 1, byte(1+i/portsPerAddress))
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: ip})
		if err != nil {
			t.close()
			return nil, fmt.Errorf("open target %d: %w", i, err)
		}
		t.listeners = append(t.listeners, l)
		t.addresses = append(t.addresses, l.Addr().(*net.TCPAddr))
		go t.serve(l)
	}
	return t, nil
}

func (t *targets) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		t.accepted.Add(1)
		time.AfterFunc(20*time.Millisecond, func() { _ = c.Close() })
	}
}

func (t *targets) monitors() []product.Monitor {
	var list []product.Monitor
	for _, a := range t.addresses {
		list = append(list, product.Monitor{Host: a.IP.String(), Port: a.Port})
	}
	return list
}

func (t *targets) close() {
	for _, l := range t.listeners {
		_ = l.Close()
	}
}

// measureFloor connects and closes with a bare net.Dialer at perSecond for d and
// returns the CPU time per connection. Both ends run in this process; half of the
// time is counted as the dialling one's.
func measureFloor(ctx context.Context, addresses []*net.TCPAddr, perSecond float64, d time.Duration) (time.Duration, error) {
	var dialer net.Dialer
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	before, begin := measure.SelfCPU(), time.Now()
	n := 0
	for ; time.Since(begin) < d && ctx.Err() == nil; n++ {
		if due := begin.Add(time.Duration(float64(n) / perSecond * float64(time.Second))); time.Until(due) > 0 {
			if err := sleep(ctx, time.Until(due)); err != nil {
				return 0, err
			}
		}
		to := addresses[n%len(addresses)].String()
		g.Go(func() error {
			c, err := dialer.DialContext(ctx, "tcp", to)
			if err != nil {
				return fmt.Errorf("floor: %w", err)
			}
			return c.Close()
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return (measure.SelfCPU() - before) / time.Duration(2*max(n, 1)), nil
}
