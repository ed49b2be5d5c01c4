package prober

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
)

// sentStream is a stream that only sends.
type sentStream struct {
	eventsv1.RecorderService_RecordClient
	last chan uint64 // number of the last result of each message
}

func (s *sentStream) SendMsg(m any) error {
	b := m.(*Batch)
	s.last <- b.First + uint64(b.Count) - 1
	return nil
}

// A small batch goes once it has waited, also when an acknowledgement comes at that very moment. Which of the two is seen first
// is up to chance, hence the repetitions.
func TestUplinkSendsWhatHasWaited(t *testing.T) {
	const rounds = 12
	box := NewMemoryOutbox(1000, 1<<20)
	u := newUplink(nil, Config{ProberID: "p", Region: "local"}, box, nil, slog.New(slog.DiscardHandler))
	stream := &sentStream{last: make(chan uint64, rounds)}
	l := newLink(u, stream, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	sending.Go(func() { _ = l.send(ctx) })
	defer sending.Wait()
	defer cancel()
	for seq := uint64(1); seq <= rounds; seq++ {
		l.mu.Lock() // send stops before it looks what there is
		put(t, box, numbered(seq, 0), "")
		select {
		case l.changed <- struct{}{}:
		default:
		}
		<-time.After(batchLinger + batchLinger/2)
		l.mu.Unlock()
		select {
		case last := <-stream.last:
			if last != seq {
				t.Fatalf("result %d went, want %d", last, seq)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("result %d never went", seq)
		}
	}
}
