package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	rpccode "google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/services/gateway/wire"
)

// problem is the body of every answer that is not a success.
type problem struct {
	Error     string   `json:"error"`
	Code      string   `json:"code"` // name of the gRPC code
	Details   []detail `json:"details"`
	RequestID string   `json:"request_id"`
}

type detail struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// refuse answers in the edge's own name.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, status int, code codes.Code, text string, details ...detail) {
	if details == nil {
		details = []detail{}
	}
	h := w.Header()
	for _, k := range []string{"Etag", "Content-Length", "Trailer", "Transfer-Encoding", "Last-Modified"} {
		h.Del(k) // of the answer that this one replaces
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(problem{Error: text, Code: rpccode.Code(code).String(), Details: details, RequestID: requestOf(r.Context()).id})
	if err != nil { // strings alone cannot fail
		g.log.ErrorContext(r.Context(), "encode problem", "error", err)
	}
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // fails only when nobody reads any more
}

// refuseInput answers 400 to a document or a parameter.
func (g *Gateway) refuseInput(w http.ResponseWriter, r *http.Request, e *wire.Error) {
	g.refuse(w, r, http.StatusBadRequest, codes.InvalidArgument, "invalid request", detail{e.Path, e.Message})
}

// fail answers an error of a service, or of a connection to it. What strangers may read is decided by fault.ToStatus: the
// words of libraries and drivers go to the log only.
func (g *Gateway) fail(w http.ResponseWriter, r *http.Request, err error) {
	q := requestOf(r.Context())
	st := fault.ToStatus(err)
	f := fault.FromStatus(st)
	if st.Code() == codes.ResourceExhausted && f.Reason == "" {
		// Not a limit of ours but of the gRPC library, such as the size of a message. The caller cannot wait for that to pass.
		st, f = fault.Internal(err).GRPCStatus(), fault.Internal(err)
	}
	switch st.Code() {
	case codes.Unauthenticated:
		w.Header().Set("WWW-Authenticate", `Bearer realm="frogup"`)
	case codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown:
		q.cause = err
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	} else if st.Code() == codes.ResourceExhausted {
		w.Header().Set("Retry-After", "1")
	}
	var details []detail
	for _, v := range f.Fields {
		details = append(details, detail{restName(q.route, v.Name), v.Message})
	}
	g.refuse(w, r, fault.HTTPStatus(st.Code()), st.Code(), st.Message(), details...)
}

// restName is a field of a request as the client wrote it: without the field that the body stands for.
func restName(rt *route, name string) string {
	if rt == nil || rt.full == "" {
		return name
	}
	return rpc.TrimBody(rt.full, name)
}

// muxError is called by the generated handlers.
func (g *Gateway) muxError(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	if q := requestOf(ctx); q.refused != nil {
		g.refuseInput(w, r, q.refused)
		return
	}
	g.fail(w, r, err)
}

// muxRoutingError is for paths that our own routes have and the mux has not, which would be a mistake of ours.
func (g *Gateway) muxRoutingError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, _ int) {
	g.noRoute(w, r, nil)
}

// noRoute answers 404, or 405 for a path that has other verbs.
func (g *Gateway) noRoute(w http.ResponseWriter, r *http.Request, allowed []string) {
	if len(allowed) == 0 {
		g.refuse(w, r, http.StatusNotFound, codes.NotFound, "no such path")
		return
	}
	verbs := strings.Join(allowed, ", ")
	w.Header().Set("Allow", verbs)
	g.refuse(w, r, http.StatusMethodNotAllowed, codes.Unimplemented, r.Method+" is not possible here, only "+verbs)
}
