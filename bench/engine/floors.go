package main

import (
	"context"
	"errors"
	"time"

	"github.com/frogstats/uptime/bench/measure"
)

// floors are the loops, each against the target of its kind; the first is what all ratios refer to.
var floors = []struct{ name, mode, kind string }{
	{"epoll, reset", "rst", "tcp"},
	{"epoll, normal close", "close", "tcp"},
	{"Go epoll, reset", "raw", "tcp"},
	{"Go net.Dialer", "dialer", "tcp"},
	{"Go net/http", "http", "http"},
	{"Go net/http, TLS, default curves", "https", "https"},
	{"Go net/http, TLS, P-256", "https-p256", "https"},
}

const floorTime = time.Second

// runFloors measures every loop between two runs of the reference.
func runFloors(ctx context.Context, l *lab) (sample, error) {
	out := sample{}
	before, err := measure.ReadMachine()
	if err != nil {
		return nil, err
	}
	var ours time.Duration
	for _, f := range floors {
		t, err := l.target(ctx, f.kind)
		if err != nil {
			return nil, err
		}
		used, err := measure.CPU(t.Pid)
		if err != nil {
			return nil, err
		}
		reference, err := l.bracketed(ctx, func() error {
			r, err := l.floor(ctx, f.mode, floorTime)
			out[f.name] = float64(r.PerConnection())
			out[f.name+", rate"] = float64(r.Connections) / max(r.Wall.Seconds(), 1e-9)
			ours += r.CPU
			return err
		})
		if err != nil {
			return nil, err
		}
		out[f.name] /= float64(max(reference, 1))
		if f.mode == "rst" {
			out["reference"] = microseconds(reference)
		}
		after, err := measure.CPU(t.Pid)
		if err != nil {
			return nil, err
		}
		// The reference's own share: two half seconds of one processor, nearly.
		ours += after - used + 2*referenceTime
	}
	after, err := measure.ReadMachine()
	out["foreign load"] = measure.Foreign(before, after, ours)
	return out, errors.Join(err)
}
