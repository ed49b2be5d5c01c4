// Package probe is the process that is measured: the product's prober and nothing else.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/frogstats/uptime/bench/control"
	"github.com/frogstats/uptime/bench/measure"
	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/internal/gcpace"
	"github.com/frogstats/uptime/internal/telemetry"
	"github.com/frogstats/uptime/services/prober"
)

// Stats are the prober's counters, and when they were read.
type Stats struct {
	prober.Stats
	At int64 `json:"at"` // CLOCK_MONOTONIC, nanoseconds
}

// Memory is what the prober's heap holds after a collection.
type Memory struct {
	HeapInuse  uint64 `json:"heap_inuse"`
	HeapAlloc  uint64 `json:"heap_alloc"`
	StackInuse uint64 `json:"stack_inuse"`
	Goroutines int    `json:"goroutines"`
}

// Serve runs a prober against the sink at a unix socket, with the metrics that the
// product has, until it is told to stop or in ends.
func Serve(ctx context.Context, socket string, in io.Reader, out, complaints io.Writer) error {
	if _, set := os.LookupEnv("GOGC"); !set {
		defer gcpace.Keep(32 << 20)() // as cmd/frogup has it
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := build(ctx, socket, complaints)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	stopped := false
	var profile *os.File
	err = control.Serve(in, out, map[string]control.Handler{
		"memory": func(string) (any, error) { return memory(), nil },
		"stats":  func(string) (any, error) { return Stats{p.Stats(), measure.Now()}, nil },
		"gc":     func(string) (any, error) { return count("/gc/cycles/total:gc-cycles"), nil },
		"allocs": func(string) (any, error) { return count("/gc/heap/allocs:objects"), nil },
		// profile writes where processor time goes to a file, until it is called without one.
		"profile": func(file string) (any, error) {
			if file == "" {
				pprof.StopCPUProfile()
				return nil, profile.Close()
			}
			var err error
			if profile, err = os.Create(file); err != nil {
				return nil, fmt.Errorf("profile: %w", err)
			}
			return nil, pprof.StartCPUProfile(profile)
		},
		"stop": func(string) (any, error) {
			cancel()
			stopped = true
			err := <-ended
			return p.Stats(), err
		},
	})
	cancel()
	if !stopped {
		err = errors.Join(err, <-ended)
	}
	return err
}

func build(ctx context.Context, socket string, complaints io.Writer) (*prober.Service, error) {
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("connect to the sink: %w", err)
	}
	policy, err := egress.ParsePolicy([]string{"private"})
	if err != nil {
		return nil, fmt.Errorf("egress policy: %w", err)
	}
	tel, err := telemetry.New(ctx, telemetry.Config{Service: "bench"})
	if err != nil {
		return nil, err
	}
	return prober.New(prober.Config{ProberID: "bench", Region: "local"}, prober.Deps{
		Monitors: conn, Events: conn, Egress: policy,
		Log:            slog.New(slog.NewTextHandler(complaints, &slog.HandlerOptions{Level: slog.LevelWarn})),
		TracerProvider: tel.TracerProvider(), MeterProvider: tel.MeterProvider(),
	})
}

func memory() Memory {
	debug.FreeOSMemory() // collects twice over, and gives back what is free, so that RSS means something
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Memory{HeapInuse: m.HeapInuse, HeapAlloc: m.HeapAlloc, StackInuse: m.StackInuse, Goroutines: runtime.NumGoroutine()}
}

// count is a counter of the runtime.
func count(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
