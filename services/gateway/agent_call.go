package gateway

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/requestid"
)

// grpc-go's own way of serving gRPC through net/http reads bodies ahead without bound, so that a service that takes its time
// would fill the edge's memory. The protocol is small: frames of a flag, a length and a message, and the status in trailers.

const grpcMedia = "application/grpc"

// isAgentCall reports whether a request is gRPC, which only remote probers speak to the edge.
func isAgentCall(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && r.Method == http.MethodPost && (media == grpcMedia || media == grpcMedia+"+proto")
}

var (
	errNotHTTP2 = &fault.Error{
		Kind: fault.KindPrecondition, Reason: "NOT_HTTP2",
		Public: "probers need HTTP/2 all the way, and this call arrived over HTTP/1.1: let the proxy in front speak HTTP/2 (gRPC) to the server",
	}
	errEncoding = &fault.Error{Kind: fault.KindInvalid, Public: "compressed messages are not taken", Reason: "ENCODING"}
	errFrame    = &fault.Error{Kind: fault.KindInvalid, Public: "the call is not well framed", Reason: "FRAME"}
	errTooLarge = &fault.Error{Kind: fault.KindExhausted, Public: "the message is too large", Reason: "MESSAGE_TOO_LARGE"}
)

// agentCall is one gRPC call that came over HTTP.
type agentCall struct {
	a      *agents
	w      http.ResponseWriter
	r      *http.Request
	rc     *http.ResponseController
	method string
	client client
	id     string // of the request
	start  time.Time

	encoding    string
	maxMessage  int
	certificate []byte // DER; nil for calls that need none
	principal   identity.Principal

	begun   bool        // the head of the answer was sent
	trailer metadata.MD // what is said beside the status at the end
	ended   error
	head    [5]byte // of the frame that is being read
}

func newAgentCall(a *agents, w http.ResponseWriter, r *http.Request) *agentCall {
	return &agentCall{
		a: a, w: w, r: r, rc: http.NewResponseController(w), method: r.URL.Path, client: clientOf(r, a.g.cfg.TrustedProxies),
		id: requestid.Accept(r.Header.Get(requestid.Key)), start: time.Now(), encoding: r.Header.Get("Grpc-Encoding"),
		maxMessage: maxProberMessage, trailer: metadata.MD{},
	}
}

// read returns the next message of the prober, io.EOF after the last. The caller owns it.
func (c *agentCall) read() (mem.BufferSlice, error) {
	if _, err := io.ReadFull(c.r.Body, c.head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("read frame: %w", err)
	}
	size := binary.BigEndian.Uint32(c.head[1:])
	switch {
	case c.head[0] != 0:
		return nil, errFrame
	case uint64(size) > uint64(c.maxMessage):
		return nil, errTooLarge
	}
	return c.readMessage(int(size))
}

// readMessage takes memory as bytes come, not as they are announced: whoever announces much must send it too.
func (c *agentCall) readMessage(size int) (out mem.BufferSlice, err error) {
	pool := mem.DefaultBufferPool()
	for size > 0 {
		buf := pool.Get(min(size, 64<<10))
		if _, err := io.ReadFull(c.r.Body, *buf); err != nil {
			pool.Put(buf)
			out.Free()
			return nil, fmt.Errorf("read message: %w", err)
		}
		size -= len(*buf)
		out = append(out, mem.NewBuffer(buf, pool))
	}
	return out, nil
}

// begin sends the head of the answer, once.
func (c *agentCall) begin(md metadata.MD) error {
	if c.begun {
		return nil
	}
	c.begun = true
	h := c.w.Header()
	h.Set("Content-Type", grpcMedia)
	copyMetadata(h, "", md)
	c.w.WriteHeader(http.StatusOK)
	return c.flush()
}

func (c *agentCall) flush() error {
	if err := c.rc.Flush(); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// write sends one message to the prober, and frees it. It waits as long as the prober does not read.
func (c *agentCall) write(data mem.BufferSlice) error {
	defer data.Free()
	if data.Len() > math.MaxUint32 {
		return errTooLarge
	}
	var head [5]byte
	binary.BigEndian.PutUint32(head[1:], uint32(data.Len()))
	if _, err := c.w.Write(head[:]); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	for _, b := range data {
		if _, err := c.w.Write(b.ReadOnlyData()); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
	}
	return c.flush()
}

// fail ends the call with the status of err; nil is success. What strangers may read is decided by fault.ToStatus.
func (c *agentCall) fail(err error) {
	c.ended = err
	st := fault.ToStatus(err) // nil means OK
	h, prefix := c.w.Header(), http.TrailerPrefix
	if !c.begun {
		prefix = ""
		h.Set("Content-Type", grpcMedia)
	}
	copyMetadata(h, prefix, c.trailer)
	h.Set(prefix+"Grpc-Status", strconv.Itoa(int(st.Code())))
	if st.Message() != "" {
		h.Set(prefix+"Grpc-Message", encodeMessage(st.Message()))
	}
	if details := statusDetails(st); details != "" {
		h.Set(prefix+"Grpc-Status-Details-Bin", details)
	}
	if !c.begun {
		c.w.WriteHeader(http.StatusOK)
	}
}

// finish writes the line of the log.
func (c *agentCall) finish() {
	if v := recover(); v != nil {
		c.a.g.log.ErrorContext(c.r.Context(), "prober's call panicked", "request_id", c.id, "panic", fmt.Sprint(v))
		panic(http.ErrAbortHandler)
	}
	attrs := []any{
		"request_id", c.id, "method", c.method, "prober_id", c.principal.Name, "region", c.principal.Region, "remote_ip", c.client.ip,
		"status", status.Code(fault.ToStatus(c.ended).Err()).String(), "duration_ms", float64(time.Since(c.start).Microseconds()) / 1000,
	}
	log := c.a.g.log
	switch kind := fault.KindOf(c.ended); {
	case c.ended == nil || kind == fault.KindCanceled:
		log.DebugContext(c.r.Context(), "prober's call", attrs...)
	case kind == fault.KindUnavailable || kind == fault.KindDeadline || kind == fault.KindInternal:
		log.WarnContext(c.r.Context(), "prober's call failed", append(attrs, "error", c.ended.Error())...)
	default:
		log.InfoContext(c.r.Context(), "prober's call refused", append(attrs, "error", c.ended.Error())...)
	}
}

// statusDetails is the status with its details, as the trailer has it; "" if there are none.
func statusDetails(st *status.Status) string {
	if len(st.Proto().GetDetails()) == 0 {
		return ""
	}
	b, err := proto.Marshal(st.Proto())
	if err != nil {
		return ""
	}
	return base64.RawStdEncoding.EncodeToString(b)
}

// encodeMessage is text as it stands in a header: percent signs and everything but printable ASCII are escaped.
func encodeMessage(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// copyMetadata passes on what a service says beside its messages.
func copyMetadata(h http.Header, prefix string, md metadata.MD) {
	for key, values := range md {
		if strings.HasPrefix(key, ":") || strings.HasPrefix(key, "grpc-") || key == "content-type" || key == "trailer" {
			continue
		}
		for _, v := range values {
			if strings.HasSuffix(key, "-bin") {
				v = base64.RawStdEncoding.EncodeToString([]byte(v))
			}
			h.Add(prefix+http.CanonicalHeaderKey(key), v)
		}
	}
}

// timeoutOf is the time that the prober gives a call; false if it gives none, or says it in no way that is known.
func timeoutOf(r *http.Request) (time.Duration, bool) {
	text := r.Header.Get("Grpc-Timeout")
	if len(text) < 2 || len(text) > 9 {
		return 0, false
	}
	unit, ok := map[byte]time.Duration{
		'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
	}[text[len(text)-1]]
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if !ok || err != nil {
		return 0, false
	}
	if limit := uint64(math.MaxInt64 / unit); n > limit {
		n = limit
	}
	return time.Duration(n) * unit, true
}
