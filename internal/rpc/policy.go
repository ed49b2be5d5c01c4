package rpc

import (
	"fmt"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/frogstats/uptime/internal/identity"
)

// Policy says what access a method asks for, given its full name such as "/frogstats.uptime.events.v1.EventsService/List".
// False, like AccessUnspecified, denies everybody.
type Policy func(fullMethod string) (identity.Access, bool)

// AccessOption is the full name of the house's method option, which the generated contracts bring into the program.
const AccessOption protoreflect.FullName = "frogstats.uptime.access.v1.access"

// HousePolicy is PolicyByOption for AccessOption. It fails if no generated contract is linked into the program.
func HousePolicy() (Policy, error) {
	ext, err := protoregistry.GlobalTypes.FindExtensionByName(AccessOption)
	if err != nil {
		return nil, fmt.Errorf("method option %s: %w", AccessOption, err)
	}
	return PolicyByOption(ext), nil
}

// PolicyByOption reads the access from a method option whose value is an enum with the numbers of identity.Access. The
// methods are looked up among the generated files linked into the program.
func PolicyByOption(ext protoreflect.ExtensionType) Policy {
	return policyByOption(protoregistry.GlobalFiles, ext)
}

func policyByOption(files *protoregistry.Files, ext protoreflect.ExtensionType) Policy {
	field := ext.TypeDescriptor()
	var known sync.Map // full method → identity.Access; holds declared methods only, so strangers cannot fill it
	return func(fullMethod string) (identity.Access, bool) {
		if a, ok := known.Load(fullMethod); ok {
			return a.(identity.Access), true
		}
		m, ok := findMethod(files, fullMethod)
		if !ok || field.Kind() != protoreflect.EnumKind {
			return identity.AccessUnspecified, false
		}
		options := m.Options().ProtoReflect()
		if !options.Has(field) {
			return identity.AccessUnspecified, false
		}
		a := identity.Access(options.Get(field).Enum())
		known.Store(fullMethod, a)
		return a, true
	}
}

func findMethod(files *protoregistry.Files, fullMethod string) (protoreflect.MethodDescriptor, bool) {
	service, method, ok := strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	if !ok {
		return nil, false
	}
	d, err := files.FindDescriptorByName(protoreflect.FullName(service).Append(protoreflect.Name(method)))
	if err != nil {
		return nil, false
	}
	m, ok := d.(protoreflect.MethodDescriptor)
	return m, ok
}

// access is the policy plus what the server itself offers to everybody.
func (s *Server) access(fullMethod string) (identity.Access, bool) {
	for _, public := range [...]string{
		"/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/",
	} {
		if strings.HasPrefix(fullMethod, public) {
			return identity.AccessPublic, true
		}
	}
	return s.policy(fullMethod)
}
