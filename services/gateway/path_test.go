package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/gateway"
)

// tap is a connection whose calls end here, but for those that find out who asks.
type tap struct {
	grpc.ClientConnInterface
	taken *tapped
}

type tapped struct {
	mu     sync.Mutex
	method string
	req    proto.Message
}

func (c tap) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if strings.HasPrefix(method, "/"+accountsv1.IdentityService_ServiceDesc.ServiceName+"/") {
		return c.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
	}
	c.taken.mu.Lock()
	defer c.taken.mu.Unlock()
	c.taken.method, c.taken.req = method, args.(proto.Message)
	return fault.Unavailable("taken")
}

// take returns the call that came since the last take.
func (t *tapped) take() (method string, req proto.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	method, req = t.method, t.req
	t.method, t.req = "", nil
	return method, req
}

// verbAndPath is what a binding says.
func verbAndPath(r *annotations.HttpRule) (string, string) {
	switch p := r.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Put:
		return http.MethodPut, p.Put
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	}
	return "", ""
}

// eachBinding calls fn with every binding of a method that has parameters in its path.
func eachBinding(fn func(m protoreflect.MethodDescriptor, verb, path string)) {
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(f.Package()), "frogstats.uptime.") {
			return true
		}
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for k := range methods.Len() {
				rule, _ := proto.GetExtension(methods.Get(k).Options(), annotations.E_Http).(*annotations.HttpRule)
				if rule == nil {
					continue
				}
				for _, r := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
					if verb, path := verbAndPath(r); strings.Contains(path, "{") {
						fn(methods.Get(k), verb, path)
					}
				}
			}
		}
		return true
	})
}

// TestPathParameters asks every method that takes a parameter from the path with one that holds what paths are made of. The
// method gets it as it was meant; numbers stay numbers.
func TestPathParameters(t *testing.T) {
	taken := &tapped{}
	e := start(t, func(c *gateway.Config) {
		for name, conn := range c.Conns {
			c.Conns[name] = tap{conn, taken}
		}
	})
	const meant, escaped = "host/eu west/100%+a?b#c", "host%2Feu%20west%2f100%25+a%3Fb%23c"
	texts, numbers := 0, 0
	eachBinding(func(m protoreflect.MethodDescriptor, verb, path string) {
		want := map[string]string{}
		var asked []string
		for part := range strings.SplitSeq(path, "/") {
			name, ok := strings.CutPrefix(part, "{")
			if !ok {
				asked = append(asked, part)
				continue
			}
			name, custom, _ := strings.Cut(name, "}") // the verb behind it, such as :replay
			if m.Input().Fields().ByName(protoreflect.Name(name)).Kind() == protoreflect.StringKind {
				want[name], asked = meant, append(asked, escaped+custom)
				texts++
			} else {
				want[name], asked = "7", append(asked, "7"+custom)
				numbers++
			}
		}
		request := verb + " " + strings.Join(asked, "/")
		if verb != http.MethodGet && verb != http.MethodDelete {
			request += "\n\n{}"
		}
		got := e.ask(t, adminKey, request)
		method, req := taken.take()
		if want := "/" + string(m.Parent().FullName()) + "/" + string(m.Name()); method != want {
			t.Errorf("%s: %q was called, want %s; %d %s", request, method, want, got.status, got.body)
			return
		}
		for name, value := range want {
			if have := req.ProtoReflect().Get(m.Input().Fields().ByName(protoreflect.Name(name))).String(); have != value {
				t.Errorf("%s: %s is %q, want %q", request, name, have, value)
			}
		}
	})
	if texts < 5 || numbers < 10 {
		t.Errorf("%d texts and %d numbers were asked for: too few to say anything", texts, numbers)
	}
}

// What is no parameter is found as before, escaped or not, and a path is split at its own slashes only.
func TestPathsAreSplitBeforeTheyAreRead(t *testing.T) {
	e := start(t)
	e.set(func(b *backend) { b.monitors = append(b.monitors, someMonitor(7)) })
	for request, want := range map[string]int{
		"GET /api/uptime/monitors/7":            200,
		"GET /api/uptime/%6donitors/%37":        200,
		"GET /api/uptime/monitors/7%2Fstatus":   400, // no number
		"GET /api/uptime/monitors/":             404,
		"GET /api/uptime//monitors":             404,
		"GET /api/uptime%2Fmonitors":            404,
		"PUT /api/uptime/probers/host%2Feu":     405,
		"GET /api/uptime/probers/host%2Feu/any": 404,
	} {
		if got := e.ask(t, viewerKey, request); got.status != want {
			t.Errorf("%s: %d %s, want %d", request, got.status, got.body, want)
		}
	}
}
