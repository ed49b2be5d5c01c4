package alerts

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/fault"
)

// fieldsGiven are the top-level fields of in that a request means: those that the mask names, or, without one, those that
// are set. A path below a field means the whole of it.
func fieldsGiven(in proto.Message, mask *fieldmaskpb.FieldMask) (map[string]bool, error) {
	given := map[string]bool{}
	m := in.ProtoReflect()
	if len(mask.GetPaths()) == 0 {
		m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
			given[string(f.Name())] = true
			return true
		})
		return given, nil
	}
	for _, path := range mask.GetPaths() {
		name, _, _ := strings.Cut(path, ".")
		if m.Descriptor().Fields().ByName(protoreflect.Name(name)) == nil {
			return nil, fault.Invalid("", fault.Field{Name: "update_mask", Message: "names an unknown field: " + name})
		}
		given[name] = true
	}
	return given, nil
}

// answerCode tells the edge which HTTP status a success has.
func answerCode(ctx context.Context, code string) {
	// It fails only without a gRPC server around it; then nobody waits for a header.
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-http-code", code))
}

const (
	httpCreated   = "201"
	httpNoContent = "204"
)

// pageRequest is how all lists of this service are asked for.
type pageRequest struct {
	scope  string // everything that a token must not outlive
	limit  *int32 // nil means def
	def    int
	offset *int32
	token  string
}

// window is the stretch of the list that is asked for, with one row more, which tells whether there is a next page.
func (s *Service) window(r pageRequest) (Window, error) {
	w := Window{Limit: r.def + 1}
	if r.limit != nil {
		w.Limit = int(*r.limit) + 1
	}
	if r.offset != nil && r.token != "" {
		return Window{}, fault.Invalid("", fault.Field{Name: "offset", Message: "cannot be combined with page_token"})
	}
	if r.offset != nil {
		w.Offset = int(*r.offset)
	}
	return w, s.pages.Decode(r.scope, r.token, &w.After)
}

// pageOf cuts the extra row off and says where the page stands; place tells where a row does.
func pageOf[T any](s *Service, r pageRequest, w Window, rows []T, total int, place func(T) Place) ([]T, *alertsv1.Page) {
	limit := w.Limit - 1
	p := &alertsv1.Page{Total: uint32(total), Limit: uint32(limit), Offset: uint32(w.Offset)}
	if len(rows) > limit {
		rows = rows[:limit]
		next := s.pages.Encode(r.scope, place(rows[limit-1]))
		p.NextPageToken = &next
	}
	return rows, p
}
