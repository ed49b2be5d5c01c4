package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	accessv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/access/v1"
	"github.com/frogstats/uptime/services/gateway/wire"
)

const (
	// callTimeout bounds one request from the moment its body is there.
	callTimeout = 30 * time.Second
	// checkTimeout bounds requests that run a check, which may take 300 s by itself.
	checkTimeout = 310 * time.Second
)

// route is one verb on one path: a method of a service, or an endpoint of the edge itself.
type route struct {
	verb     string
	pattern  string // "/api/uptime/monitors/{id}"
	segments []segment
	path     string // that the gateway's mux matches: with a dash for each parameter
	public   bool   // needs no credentials
	timeout  time.Duration
	stream   bool // stays open: neither compressed nor bounded in time

	// serve answers; nil for methods, which the gateway's mux serves.
	serve http.HandlerFunc

	// The rest is for methods only.
	full  string // "/frogstats.uptime.monitors.v1.MonitorsService/GetMonitor"
	input protoreflect.MessageType
	body  string   // field that the body is, "*" for the whole message, "" for none
	taken []string // fields that cannot be query parameters
	mask  bool     // the request has a field mask, filled from the body's fields
}

// segment is one part of a path: a literal, or a parameter that takes any one part, up to the custom verb that ends it, if any:
// "{id}:replay".
type segment struct{ literal, param, verb string }

func (rt *route) setPattern(pattern string) {
	rt.pattern = pattern
	for part := range strings.SplitSeq(pattern[1:], "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name, verb, _ := strings.Cut(name, "}")
			rt.segments = append(rt.segments, segment{param: name, verb: verb})
			part = "-" + verb
		} else {
			rt.segments = append(rt.segments, segment{literal: part})
		}
		rt.path += "/" + part
	}
}

// match returns the parameters of a path that the route is for.
func (rt *route) match(parts []string) (map[string]string, bool) {
	if len(parts) != len(rt.segments) {
		return nil, false
	}
	var params map[string]string
	for i, s := range rt.segments {
		switch {
		case s.param == "":
			if s.literal != parts[i] {
				return nil, false
			}
		default:
			value, ok := strings.CutSuffix(parts[i], s.verb)
			if !ok || value == "" {
				return nil, false
			}
			if params == nil {
				params = map[string]string{}
			}
			params[s.param] = value
		}
	}
	return params, true
}

// routes is the whole REST surface. The gateway's mux has its own copy of the methods; this one also knows who may call
// them without credentials, what a path allows, and which query parameters there are.
type routes []*route

// find returns the route for a verb and an escaped path. A slash that is escaped is part of a parameter: names of probers have
// some. If there is no route, allowed lists the verbs that the path has; an empty list means that there is no such path.
func (rs routes) find(verb, path string) (rt *route, params map[string]string, allowed []string) {
	if !strings.HasPrefix(path, "/") {
		return nil, nil, nil
	}
	parts := strings.Split(path[1:], "/")
	for i := range parts {
		part, err := url.PathUnescape(parts[i])
		if err != nil {
			return nil, nil, nil
		}
		parts[i] = part
	}
	for _, r := range rs {
		p, ok := r.match(parts)
		if !ok {
			continue
		}
		if r.verb == verb && (rt == nil || r.literals() > rt.literals()) {
			rt, params = r, p
		}
		if !slices.Contains(allowed, r.verb) {
			allowed = append(allowed, r.verb)
		}
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	return rt, params, allowed
}

// literals counts the parts that are spelled out: /monitors/test is more of a match than /monitors/{id}.
func (rt *route) literals() int {
	n := 0
	for _, s := range rt.segments {
		if s.param == "" || s.verb != "" {
			n++
		}
	}
	return n
}

// routesOf lists the HTTP bindings of a service's methods.
func routesOf(sd protoreflect.ServiceDescriptor) (routes, error) {
	var out routes
	for i := range sd.Methods().Len() {
		m := sd.Methods().Get(i)
		rule, ok := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
		if !ok || rule == nil {
			continue
		}
		for _, r := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
			rt, err := routeOf(m, r)
			if err != nil {
				return nil, fmt.Errorf("route of %s: %w", m.FullName(), err)
			}
			out = append(out, rt)
		}
	}
	return out, nil
}

func routeOf(m protoreflect.MethodDescriptor, rule *annotations.HttpRule) (*route, error) {
	input, err := protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName())
	if err != nil {
		return nil, err
	}
	access, _ := proto.GetExtension(m.Options(), accessv1.E_Access).(accessv1.Access)
	rt := &route{
		full:    fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()),
		input:   input,
		body:    rule.GetBody(),
		public:  access == accessv1.Access_ACCESS_PUBLIC,
		timeout: callTimeout,
	}
	if m.Name() == "CheckMonitor" || m.Name() == "TestMonitor" {
		rt.timeout = checkTimeout
	}
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		rt.verb = http.MethodGet
		rt.setPattern(p.Get)
	case *annotations.HttpRule_Post:
		rt.verb = http.MethodPost
		rt.setPattern(p.Post)
	case *annotations.HttpRule_Put:
		rt.verb = http.MethodPut
		rt.setPattern(p.Put)
	case *annotations.HttpRule_Patch:
		rt.verb = http.MethodPatch
		rt.setPattern(p.Patch)
	case *annotations.HttpRule_Delete:
		rt.verb = http.MethodDelete
		rt.setPattern(p.Delete)
	default:
		return nil, fmt.Errorf("unknown pattern %T", p)
	}
	rt.takeFields(m.Input())
	return rt, nil
}

// takeFields notes which fields of the request come from the path or the body.
func (rt *route) takeFields(input protoreflect.MessageDescriptor) {
	for _, s := range rt.segments {
		if s.param != "" {
			rt.taken = append(rt.taken, s.param)
		}
	}
	fields := input.Fields()
	rt.mask = rt.body != "" && fields.ByName(wire.MaskParameter) != nil
	for i := range fields.Len() {
		if name := string(fields.Get(i).Name()); rt.body == "*" || name == rt.body {
			rt.taken = append(rt.taken, name)
		}
	}
}
