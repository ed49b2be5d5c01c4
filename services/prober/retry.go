package prober

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// retry calls do until ctx ends, with pauses that grow from 100 ms to 5 s; do says
// whether it went well for long enough to begin with the shortest pause again.
func retry(ctx context.Context, do func() (wentWell bool)) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 5*time.Second
	for ctx.Err() == nil {
		if do() {
			pause.Reset()
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
		}
	}
}
