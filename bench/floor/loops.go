package floor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/frogstats/uptime/bench/measure"
	"github.com/frogstats/uptime/bench/target"
)

// warmUp is not counted: heaps and stacks grow to their size in it.
const warmUp = 200 * time.Millisecond

// loops runs one of the loops that stand on Go's own packages:
//
//	dialer      net.Dialer as it comes, and Close
//	http        net/http, a fresh connection for every request, the body read
//	https       the same with TLS, Go's default curves
//	https-p256  the same, P-256 only
func loops(ctx context.Context, mode string, goroutines int, d time.Duration, l target.Layout) (Result, error) {
	visit, err := visitor(mode)
	if err != nil {
		return Result{}, err
	}
	var next, done atomic.Int64
	ctx, cancel := context.WithTimeout(ctx, warmUp+d)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for range goroutines {
		g.Go(func() error {
			for ctx.Err() == nil {
				to := l.At(int(next.Add(1))).String()
				if err := visit(context.WithoutCancel(ctx), to); err != nil {
					return fmt.Errorf("%s floor: %w", mode, err)
				}
				done.Add(1)
			}
			return nil
		})
	}
	warm := time.NewTimer(warmUp)
	defer warm.Stop()
	select {
	case <-warm.C:
	case <-ctx.Done(): // a loop has failed
		return Result{}, g.Wait()
	}
	begin, used, before := time.Now(), measure.SelfCPU(), done.Load()
	<-ctx.Done()
	r := Result{Connections: int(done.Load() - before), CPU: measure.SelfCPU() - used, Wall: time.Since(begin)}
	return r, g.Wait()
}

func visitor(mode string) (func(ctx context.Context, to string) error, error) {
	switch mode {
	case "dialer":
		var d net.Dialer
		return func(ctx context.Context, to string) error {
			c, err := d.DialContext(ctx, "tcp", to)
			return errors.Join(err, closeAny(c))
		}, nil
	case "http":
		return get("http://", nil), nil
	case "https":
		return get("https://", &tls.Config{}), nil
	case "https-p256":
		return get("https://", &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP256}}), nil
	}
	return nil, fmt.Errorf("floor %q is not known", mode)
}

func closeAny(c net.Conn) error {
	if c == nil {
		return nil
	}
	return c.Close()
}

func get(scheme string, config *tls.Config) func(context.Context, string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}, Timeout: 10 * time.Second}
	return func(ctx context.Context, to string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+to+"/", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	}
}
