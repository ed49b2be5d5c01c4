package faulttest

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// bombSize is what each bomb decompresses to, in bytes.
const bombSize = 1 << 30

// packer compresses in one coding.
type packer struct {
	coding string
	writer func(io.Writer) io.WriteCloser
}

var (
	gzipPacker = packer{"gzip", func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }}
	zlibPacker = packer{"deflate", func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }}
	rawPacker  = packer{"deflate", func(w io.Writer) io.WriteCloser {
		f, _ := flate.NewWriter(w, flate.BestSpeed) // fails for unknown levels only
		return f
	}}
	brotliPacker = packer{"br", func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, 1) }}
	zstdPacker   = packer{"zstd", func(w io.Writer) io.WriteCloser {
		z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) // fails for bad options only
		return z
	}}
)

func (p packer) pack(text []byte) []byte {
	var b bytes.Buffer
	w := p.writer(&b)
	_, _ = w.Write(text)
	_ = w.Close()
	return b.Bytes()
}

// bombs are packed when first wanted and then kept.
type bombs struct {
	mu    sync.Mutex
	ready map[string][]byte
}

// get returns a body that decompresses to bombSize zeros. Packing so much takes
// long, so one block's output is repeated: after a flush an encoder is in the
// same state as before the block. What would end the stream is left out; nobody
// should get that far.
func (b *bombs) get(p packer) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bomb := b.ready[p.coding]; bomb != nil {
		return bomb
	}
	var out bytes.Buffer
	w := p.writer(&out)
	block := make([]byte, 1<<20)
	pack := func() []byte {
		before := out.Len()
		_, _ = w.Write(block)
		if f, ok := w.(interface{ Flush() error }); ok {
			_ = f.Flush()
		}
		return bytes.Clone(out.Bytes()[before:])
	}
	bomb := append(pack(), pack()...)
	bomb = append(bomb, bytes.Repeat(pack(), bombSize/len(block))...)
	if b.ready == nil {
		b.ready = make(map[string][]byte)
	}
	b.ready[p.coding] = bomb
	return bomb
}

func (c *conn) answerEncoded(coding string, body []byte) {
	c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n", coding, len(body)))
	_, _ = c.Write(body)
}

func encoded(p packer) behaviour {
	return behaviour{serve: after(func(c *conn) { c.answerEncoded(p.coding, p.pack([]byte(Body))) })}
}

func bomb(p packer) behaviour {
	return behaviour{serve: after(func(c *conn) { c.answerEncoded(p.coding, c.server.bombs.get(p)) })}
}

func bodyBehaviours() map[Fault]behaviour {
	return map[Fault]behaviour{
		Gzip:       encoded(gzipPacker),
		Deflate:    encoded(zlibPacker),
		RawDeflate: encoded(rawPacker),
		Brotli:     encoded(brotliPacker),
		Zstd:       encoded(zstdPacker),
		TwiceEncoded: {serve: after(func(c *conn) {
			c.answerEncoded("gzip, br", brotliPacker.pack(gzipPacker.pack([]byte(Body))))
		})},
		HugeBody: {serve: after(func(c *conn) {
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n")
			c.flood(zeros)
		})},
		EndlessBody: {serve: after(func(c *conn) {
			c.say("HTTP/1.1 200 OK\r\n\r\n")
			c.flood(zeros)
		})},
		EndlessChunks: {serve: after(func(c *conn) {
			c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			c.flood([]byte("10000\r\n" + string(zeros) + "\r\n"))
		})},
		GzipBomb:    bomb(gzipPacker),
		BrotliBomb:  bomb(brotliPacker),
		ZstdBomb:    bomb(zstdPacker),
		DeflateBomb: bomb(zlibPacker),
		NestedBomb: {serve: after(func(c *conn) {
			c.answerEncoded("gzip, gzip", gzipPacker.pack(c.server.bombs.get(gzipPacker)))
		})},
		TruncatedGzip: {serve: after(func(c *conn) {
			whole := gzipPacker.pack([]byte(strings.Repeat(Body, 100)))
			c.answerEncoded("gzip", whole[:len(whole)/2])
		})},
		FalseGzip: text("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n" + Body),
		TooManyCodings: text("HTTP/1.1 200 OK\r\nContent-Encoding: gzip, br, gzip, br, gzip\r\nContent-Length: 12\r\n\r\n" +
			Body),
	}
}
