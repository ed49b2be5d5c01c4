package clickhouse

import (
	"net"
	"net/http"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// transport carries all HTTP requests of one handle. The driver would make one for each of its connections, and leave it
// open when the server does not let that connection in.
type transport struct {
	once sync.Once
	base *http.Transport
}

// serve makes cfg's connections share t.
func (t *transport) serve(cfg *clickhouse.Options) {
	cfg.TransportFunc = func(made *http.Transport) (http.RoundTripper, error) {
		t.once.Do(func() {
			made.MaxIdleConns, made.MaxIdleConnsPerHost = cfg.MaxIdleConns, cfg.MaxIdleConns
			t.base = made
		})
		if t.base == nil {
			return nil, net.ErrClosed
		}
		return t, nil
	}
}

// RoundTrip sends the span of a request's context along, as the driver does by the native protocol only.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if trace.SpanContextFromContext(req.Context()).IsSampled() {
		req = req.Clone(req.Context())
		propagation.TraceContext{}.Inject(req.Context(), propagation.HeaderCarrier(req.Header))
	}
	return t.base.RoundTrip(req)
}

// close is not called CloseIdleConnections, because the driver would call that after every error.
func (t *transport) close() {
	t.once.Do(func() {}) // nothing comes after it
	if t.base != nil {
		t.base.CloseIdleConnections()
	}
}
