package spool

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever is appended, synced, read, acknowledged, dropped and opened again: what is read is what was appended.
func TestAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFaultFS()
		o := Options{
			FS: f, Window: time.Hour, SegmentBytes: 64 << 10, Blocks: rapid.Bool().Draw(rt, "blocks"), MemoryBytes: minMemory,
			MaxBytes: rapid.SampledFrom([]int64{256 << 10, 1 << 20, 1 << 30}).Draw(rt, "max"),
		}
		l, err := Open("", o)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		model, next, acked, refused := map[uint64]string{}, uint64(1), uint64(0), 0
		dropped := uint64(0) // in former lives
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				length := rapid.SampledFrom([]int{1, 50, 900, 20_000, chunkBytes + 1}).Draw(rt, "length")
				for range rapid.IntRange(1, max(400_000/length, 1)).Draw(rt, "times") % 2000 {
					r := fmt.Sprintf("%d%s", next, strings.Repeat("y", length))
					seq, ok := l.Append([]byte(r[:1]), []byte(r[1:]))
					if !ok {
						refused++
						continue
					}
					if seq != next {
						rt.Fatalf("number %d, want %d", seq, next)
					}
					model[seq], next = r, next+1
				}
			},
			"sync": func(rt *rapid.T) {
				if err := l.Sync(t.Context()); err != nil {
					rt.Fatal(err)
				}
			},
			"acknowledge": func(rt *rapid.T) {
				s := l.Stats()
				acked = s.Acked + rapid.Uint64Range(0, s.Durable-s.Acked).Draw(rt, "to")
				l.Ack(acked)
			},
			"open again": func(rt *rapid.T) {
				dropped += l.Stats().Dropped
				if err := l.Close(); err != nil {
					rt.Fatal(err)
				}
				var err error
				if l, err = Open("", o); err != nil {
					rt.Fatal(err)
				}
				dropped += l.Stats().Lost // dropped in memory, before
			},
			"": func(rt *rapid.T) {
				s := l.Stats()
				seqs, records := readFrom(t, l, 0)
				for i, seq := range seqs {
					if records[i] != model[seq] {
						rt.Fatalf("record %d is another one", seq)
					}
				}
				if after := l.Stats(); after.Durable == s.Durable && after.Dropped == s.Dropped && s.Durable == s.Next-1 && len(seqs) != s.Pending {
					rt.Fatalf("%d read, %+v", len(seqs), s)
				}
				if s.Next != next || s.Acked < acked || s.Lost > dropped {
					rt.Fatalf("next %d, acknowledged %d: %+v", next, acked, s)
				}
				if o.Blocks && s.Acked != acked {
					rt.Fatalf("acknowledged %d: %+v", acked, s)
				}
			},
		})
	})
}
