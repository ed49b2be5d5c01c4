package spool

import (
	"bytes"
	"testing"
)

// BenchmarkAppend is what the caller pays for a record, while another goroutine writes and syncs.
func BenchmarkAppend(b *testing.B) {
	l := open(b, Options{MaxBytes: 256 << 20})
	head, row := []byte("head"), bytes.Repeat([]byte("row"), 90)
	b.ReportAllocs()
	for b.Loop() {
		l.Append(head, row)
	}
	b.StopTimer()
	if err := l.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkDurable is records per second with groups of a thousand, each on disk before the next.
func BenchmarkDurable(b *testing.B) {
	l := open(b, Options{MaxBytes: 256 << 20})
	row := bytes.Repeat([]byte("row"), 90)
	for b.Loop() {
		for range 1000 {
			l.Append(nil, row)
		}
		if err := l.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkRecover opens a log of 128 MiB, every record of which is checked.
func BenchmarkRecover(b *testing.B) {
	dir := b.TempDir()
	fill, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	row := bytes.Repeat([]byte("row"), 90)
	for size := 0; size < 128<<20; {
		for range 1000 {
			fill.Append(nil, row)
			size += len(row) + frameHeader
		}
		if err := fill.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	if err := fill.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(128 << 20)
	for b.Loop() {
		l, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
