// Package sampling lets the code that begins a trace say that it is to be kept. It is apart from telemetry so that a service
// can say so without depending on exporters.
package sampling

import "context"

type keepKey struct{}

// Keep returns ctx under which a new trace is kept, whatever the ratio. It is for work that is sampled by a ratio of its own:
// decide first, and begin the span only if it is to be kept. A trace that began elsewhere stays as it was decided there.
func Keep(ctx context.Context) context.Context { return context.WithValue(ctx, keepKey{}, true) }

// Kept reports whether ctx comes from Keep.
func Kept(ctx context.Context) bool {
	kept, _ := ctx.Value(keepKey{}).(bool)
	return kept
}
