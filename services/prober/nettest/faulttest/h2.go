package faulttest

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framer is a connection on which a client has opened its first stream.
type framer struct {
	*conn
	*http2.Framer
	stream uint32
}

// opened speaks HTTP/2 until the request's headers have come, then runs f.
func opened(f func(*framer)) behaviour {
	return behaviour{tls: goodH2, serve: func(c *conn) {
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(c.br, preface); err != nil || string(preface) != http2.ClientPreface {
			return
		}
		fr := &framer{conn: c, Framer: http2.NewFramer(c.Conn, c.br)}
		if fr.WriteSettings() != nil {
			return
		}
		for fr.stream == 0 {
			frame, err := fr.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					_ = fr.WriteSettingsAck()
				}
			case *http2.HeadersFrame:
				fr.stream = frame.StreamID
			}
		}
		f(fr)
	}}
}

// head sends a response's headers.
func (f *framer) head(extra ...hpack.HeaderField) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	_ = enc.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	for _, h := range extra {
		_ = enc.WriteField(h)
	}
	_ = f.WriteHeaders(http2.HeadersFrameParam{
		StreamID: f.stream, BlockFragment: block.Bytes(), EndHeaders: true,
	})
}

func h2Behaviours() map[Fault]behaviour {
	return map[Fault]behaviour{
		HealthyH2: opened(func(f *framer) {
			f.head(hpack.HeaderField{Name: "x-fault", Value: "none"})
			_ = f.WriteData(f.stream, true, []byte(Body))
			f.wait()
		}),
		H2Silent: {tls: goodH2, serve: (*conn).wait},
		H2GoAway: opened(func(f *framer) {
			_ = f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte("go away"))
			f.wait()
		}),
		H2ResetStream: opened(func(f *framer) {
			_ = f.WriteRSTStream(f.stream, http2.ErrCodeInternal)
			f.wait()
		}),
		H2Garbage: {tls: goodH2, serve: func(c *conn) { c.say(noise); c.wait() }},
		H2Close:   opened(func(*framer) {}),
		H2StalledBody: opened(func(f *framer) {
			f.head()
			_ = f.WriteData(f.stream, false, []byte("some"))
			f.wait()
		}),
		H2ResetInBody: opened(func(f *framer) {
			f.head()
			_ = f.WriteData(f.stream, false, []byte("some"))
			if f.pause(Delay) {
				f.reset()
			}
		}),
		H2EndlessBody: opened(endless),
		H2HugeHeaders: opened(func(f *framer) {
			fragment := []byte(strings.Repeat("\x00\x01a\x01b", 3000)) // literal fields a: b
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: f.stream, BlockFragment: fragment})
			for f.WriteContinuation(f.stream, false, fragment) == nil {
			}
		}),
		H2PingFlood: opened(func(f *framer) {
			f.server.work.Go(f.wait) // the answers must be read, or the peer rightly stops reading
			for f.WritePing(false, [8]byte{1}) == nil && f.pause(time.Millisecond) {
			}
		}),
		H2SettingFlood: opened(func(f *framer) {
			f.server.work.Go(f.wait)
			for f.WriteSettings() == nil && f.pause(time.Millisecond) {
			}
		}),
		H2PingStorm:    storm(func(f *framer) error { return f.WritePing(false, [8]byte{1}) }),
		H2SettingStorm: storm(func(f *framer) error { return f.WriteSettings() }),
		H2WindowStorm:  storm(func(f *framer) error { return f.WriteWindowUpdate(0, 1) }),
		H2UnknownStorm: storm(func(f *framer) error { return f.WriteRawFrame(0xee, 0, 0, []byte("what")) }),
		H2EmptyStorm: opened(func(f *framer) {
			f.head()
			f.gather()
			f.server.work.Go(f.wait)
			for f.WriteData(f.stream, false, nil) == nil {
			}
		}),
	}
}

// storm writes one kind of frame as fast as the peer takes it. The peer's answers
// are read, or it rightly stops reading.
func storm(write func(*framer) error) behaviour {
	return opened(func(f *framer) {
		f.gather()
		f.server.work.Go(f.wait)
		for write(f) == nil {
		}
	})
}

// gather makes frames travel many at a time.
func (f *framer) gather() { f.Framer = http2.NewFramer(bufio.NewWriterSize(f.Conn, 16<<10), f.br) }

// endless sends data as fast as the peer's window allows.
func endless(f *framer) {
	f.head()
	window := 65535
	for {
		for window >= 16<<10 {
			if f.WriteData(f.stream, false, zeros[:16<<10]) != nil {
				return
			}
			window -= 16 << 10
		}
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		if update, ok := frame.(*http2.WindowUpdateFrame); ok && update.StreamID != 0 {
			window += int(update.Increment)
		}
	}
}
