package app

import (
	"context"
	"log/slog"
)

const serviceKey = "service"

// ofService is log with the name of the service that speaks in every record. A name given later, be it to a logger made from
// this one or in a record, takes its place, so that none has two.
func ofService(log *slog.Logger, name string) *slog.Logger {
	h := log.Handler()
	if named, ok := h.(serviceHandler); ok {
		h = named.Handler
	}
	return slog.New(serviceHandler{h, slog.StringValue(name)})
}

type serviceHandler struct {
	slog.Handler // knows no service
	service      slog.Value
}

func (h serviceHandler) Handle(ctx context.Context, r slog.Record) error {
	named := false
	r.Attrs(func(a slog.Attr) bool {
		named = a.Key == serviceKey
		return !named
	})
	if !named {
		r.AddAttrs(slog.Attr{Key: serviceKey, Value: h.service})
	}
	return h.Handler.Handle(ctx, r)
}

func (h serviceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	rest := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		if a.Key == serviceKey {
			h.service = a.Value
			continue
		}
		rest = append(rest, a)
	}
	h.Handler = h.Handler.WithAttrs(rest)
	return h
}

// WithGroup leaves the name outside of the group, where it is fixed.
func (h serviceHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.Handler.WithAttrs([]slog.Attr{{Key: serviceKey, Value: h.service}}).WithGroup(name)
}
