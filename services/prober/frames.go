package prober

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that all other messages have
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of the fields that are written by hand; a test holds them to the contract.
const (
	requestBatchField      = 2 // RecordRequest.batch
	batchFirstSeqField     = 1 // ResultBatch.first_seq
	batchResultsField      = 2 // ResultBatch.results
	batchTraceparentsField = 3 // ResultBatch.traceparents
	mapKeyField            = 1 // of every map's entries
	mapValueField          = 2
)

// appendTo writes b as a RecordRequest that holds it as its batch.
func (b Batch) appendTo(dst []byte) []byte {
	dst = protowire.AppendTag(dst, requestBatchField, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(b.bodySize()))
	dst = protowire.AppendTag(dst, batchFirstSeqField, protowire.VarintType)
	dst = protowire.AppendVarint(dst, b.First)
	dst = append(dst, b.Frames...)
	for at, traceparent := range b.Traceparents {
		dst = protowire.AppendTag(dst, batchTraceparentsField, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(entrySize(at, traceparent)))
		dst = protowire.AppendTag(dst, mapKeyField, protowire.VarintType)
		dst = protowire.AppendVarint(dst, uint64(at))
		dst = protowire.AppendTag(dst, mapValueField, protowire.BytesType)
		dst = protowire.AppendString(dst, traceparent)
	}
	return dst
}

// requestSize is the length of what appendTo writes.
func (b Batch) requestSize() int {
	return protowire.SizeTag(requestBatchField) + protowire.SizeBytes(b.bodySize())
}

func (b Batch) bodySize() int {
	n := protowire.SizeTag(batchFirstSeqField) + protowire.SizeVarint(b.First) + len(b.Frames)
	for at, traceparent := range b.Traceparents {
		n += protowire.SizeTag(batchTraceparentsField) + protowire.SizeBytes(entrySize(at, traceparent))
	}
	return n
}

func entrySize(at uint32, traceparent string) int {
	return protowire.SizeTag(mapKeyField) + protowire.SizeVarint(uint64(at)) +
		protowire.SizeTag(mapValueField) + protowire.SizeBytes(len(traceparent))
}

// framesCodec is the codec of every other message, and sends a *Batch as the
// RecordRequest that the server expects: its results were encoded when they were made.
type framesCodec struct{ encoding.CodecV2 }

func newFramesCodec() framesCodec { return framesCodec{encoding.GetCodecV2("proto")} }

// Marshal implements encoding.CodecV2.
func (c framesCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.(*Batch)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	want := b.requestSize()
	pool := mem.DefaultBufferPool()
	buf := pool.Get(want)
	*buf = b.appendTo((*buf)[:0])
	if len(*buf) != want {
		return nil, fmt.Errorf("batch of %d results is %d bytes, not %d", b.Count, len(*buf), want)
	}
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}, nil
}
