package gateway_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/gateway"
)

// BenchmarkRenewal is one renewal of a lease: past the gateway, and by a remote prober through it, signed and checked.
func BenchmarkRenewal(b *testing.B) {
	o := newOutpost(b, func(c *gateway.Config) { c.Log = slog.New(slog.DiscardHandler) })
	o.renew = func(context.Context, *monitorsv1.RenewLeaseRequest) (*monitorsv1.RenewLeaseResponse, error) {
		return &monitorsv1.RenewLeaseResponse{}, nil
	}
	b.Run("inside", func(b *testing.B) {
		client, ctx := monitorsv1.NewAssignmentsServiceClient(o.inside["monitors"]), identity.NewContext(b.Context(), aProber)
		for b.Loop() {
			if _, err := client.RenewLease(ctx, renewal()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("remote", func(b *testing.B) {
		for b.Loop() {
			if _, err := o.assignments.RenewLease(o.calling(b, renewMethod), renewal()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRecord sends batches of 100 kB in one stream.
func BenchmarkRecord(b *testing.B) {
	o := newOutpost(b, func(c *gateway.Config) { c.Log = slog.New(slog.DiscardHandler) })
	o.record = func(s eventsv1.RecorderService_RecordServer) error {
		for {
			if _, err := s.Recv(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
	for name, open := range map[string]func(b *testing.B) (eventsv1.RecorderService_RecordClient, error){
		"inside": func(b *testing.B) (eventsv1.RecorderService_RecordClient, error) {
			return eventsv1.NewRecorderServiceClient(o.inside["events"]).Record(identity.NewContext(b.Context(), aProber))
		},
		"remote": func(b *testing.B) (eventsv1.RecorderService_RecordClient, error) {
			return o.recorder.Record(o.calling(b, recordMethod))
		},
	} {
		b.Run(name, func(b *testing.B) {
			stream, err := open(b)
			if err != nil {
				b.Fatal(err)
			}
			batch := large(100_000)
			b.SetBytes(100_000)
			for b.Loop() {
				if err := stream.Send(batch); err != nil {
					b.Fatal(err)
				}
			}
			if err := stream.CloseSend(); err != nil {
				b.Fatal(err)
			}
			if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
				b.Fatal(err)
			}
		})
	}
}
