package monitors

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
)

// A change of a monitor is merged field by field. Messages such as http_config are merged deep; maps and lists are replaced
// whole, so a path into one names all of it. A path that the mask names and the body does not hold is cleared, which makes
// it its default. Without a mask the fields that the body holds are replaced. Read-only fields are passed over.

// readOnly are the fields that people may send, because they read them, and that are then ignored.
var readOnly = readOnlyFields()

func readOnlyFields() map[protoreflect.FullName]bool {
	monitor := (&monitorsv1.Monitor{}).ProtoReflect().Descriptor().FullName()
	auth := (&checkv1.HttpAuth{}).ProtoReflect().Descriptor().FullName()
	proxy := (&checkv1.HttpProxy{}).ProtoReflect().Descriptor().FullName()
	options := (&checkv1.TlsOptions{}).ProtoReflect().Descriptor().FullName()
	fields := map[protoreflect.FullName]bool{
		auth.Append("has_credentials"): true, proxy.Append("has_password"): true, options.Append("has_client_key"): true,
	}
	for _, name := range [...]protoreflect.Name{
		"id", "organization_id", "worst_case_alert_delay_ms", "created_at", "updated_at", "created_by", "status", "version",
	} {
		fields[monitor.Append(name)] = true
	}
	window := (&monitorsv1.MaintenanceWindow{}).ProtoReflect().Descriptor().FullName()
	for _, name := range [...]protoreflect.Name{
		"id", "organization_id", "active", "next_occurrences", "created_at", "updated_at", "created_by", "version",
	} {
		fields[window.Append(name)] = true
	}
	return fields
}

// writeOnly are the secrets that stand beside fields that can be read. An answer has null there. They go with what they
// belong to: the password with the user name, the key with its certificate.
var writeOnly = map[protoreflect.FullName]bool{
	(&checkv1.HttpProxy{}).ProtoReflect().Descriptor().FullName().Append("password"):    true,
	(&checkv1.TlsOptions{}).ProtoReflect().Descriptor().FullName().Append("client_key"): true,
}

// path leads from a Monitor to a field.
type path []protoreflect.FieldDescriptor

func (p path) below(fd protoreflect.FieldDescriptor) path {
	return append(p[:len(p):len(p)], fd)
}

// is reports whether p begins with these field names.
func (p path) is(names ...protoreflect.Name) bool {
	if len(p) < len(names) {
		return false
	}
	for i, n := range names {
		if p[i].Name() != n {
			return false
		}
	}
	return true
}

// changedPaths are the fields of body to replace, messages before what is in them.
func changedPaths(body proto.Message, mask *fieldmaskpb.FieldMask) ([]path, error) {
	m := body.ProtoReflect()
	if len(mask.GetPaths()) == 0 {
		return populated(m, nil), nil
	}
	var all []path
	for _, text := range mask.GetPaths() {
		paths, err := resolve(m, text)
		if err != nil {
			return nil, err
		}
		all = append(all, paths...)
	}
	return all, nil
}

// populated are the paths of everything that m holds.
func populated(m protoreflect.Message, prefix path) []path {
	var all []path
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if readOnly[fd.FullName()] {
			return true
		}
		p := prefix.below(fd)
		all = append(all, p)
		if isMessage(fd) {
			all = append(all, populated(v.Message(), p)...)
		}
		return true
	})
	return all
}

// resolve turns one path of a mask into paths to replace; none for a read-only field.
func resolve(m protoreflect.Message, text string) ([]path, error) {
	var p path
	names := strings.Split(text, ".")
	for i, name := range names {
		fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
		last := i == len(names)-1
		if fd == nil || !last && fd.Message() == nil && !fd.IsList() && !fd.IsMap() {
			return nil, fault.Invalid("", fault.Field{Name: "update_mask", Message: fmt.Sprintf("unknown path %q", text)})
		}
		if readOnly[fd.FullName()] {
			return nil, nil
		}
		p = p.below(fd)
		if !isMessage(fd) {
			if writeOnly[fd.FullName()] && !m.Has(fd) {
				return nil, nil // as with credentials below
			}
			return []path{p}, nil // a value; or a map or list, of which the path names the whole
		}
		m = m.Get(fd).Message()
	}
	if !m.IsValid() && p.is("http_config", "auth", "credentials") && len(p) == 3 {
		return nil, nil // an answer has null here, and sending it back must not lose what is stored
	}
	return append([]path{p}, populated(m, p)...), nil
}

// isMessage reports whether fd is a message that is merged deep.
func isMessage(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && !fd.IsMap() && !fd.IsList()
}

// merge replaces the fields of base that paths name by those of body.
func merge(base, body *monitorsv1.Monitor, paths []path) {
	dropOldCredentials(base, body, paths)
	from := proto.CloneOf(body).ProtoReflect()
	for _, p := range paths {
		replace(base.ProtoReflect(), from, p)
	}
}

func replace(to, from protoreflect.Message, p path) {
	fd, rest := p[0], p[1:]
	switch {
	case len(rest) > 0:
		if from.Has(fd) || to.Has(fd) { // in neither, there is nothing to set and nothing to clear
			replace(to.Mutable(fd).Message(), from.Get(fd).Message(), rest)
		}
	case !from.Has(fd):
		to.Clear(fd)
	case isMessage(fd):
		to.Mutable(fd) // there, if only as an empty message; its fields have paths of their own
	default:
		to.Set(fd, from.Get(fd))
	}
}

// dropOldCredentials forgets the stored credentials if the type of authentication changes: they are of no use to the new.
func dropOldCredentials(base, body *monitorsv1.Monitor, paths []path) {
	for _, p := range paths {
		if p.is("http_config", "auth", "type") && authType(body.GetHttpConfig().GetAuth()) != authType(base.GetHttpConfig().GetAuth()) {
			if a := base.GetHttpConfig().GetAuth(); a != nil {
				a.Credentials, a.Oauth2 = nil, nil
			}
		}
	}
}

// touchesSecrets reports whether the change may concern what is sealed, which is opened only then.
func touchesSecrets(body *monitorsv1.Monitor, paths []path) bool {
	for _, p := range paths {
		for _, names := range secretPaths {
			if p.is(names...) {
				return true
			}
		}
		switch { // whose secrets go with it
		case p.is("http_config") && body.GetHttpConfig() == nil, p.is("tcp_config") && body.GetTcpConfig() == nil,
			p.is("tls_config") && body.GetTlsConfig() == nil:
			return true
		}
	}
	return false
}

// secretPaths lead to what has secrets in it.
var secretPaths = [...][]protoreflect.Name{
	{"http_config", "auth"}, {"http_config", "headers"}, {"http_config", "proxy"},
	{"http_config", "tls"}, {"tcp_config", "tls"}, {"tcp_config", "tls_options"}, {"tls_config", "options"},
}

// foldAliases gives the credentials one spelling: header_name is key, and header_value is value. It changes body.
func foldAliases(body *monitorsv1.Monitor, p *problems) {
	c := body.GetHttpConfig().GetAuth().GetCredentials()
	if c == nil {
		return
	}
	const at = "http_config.auth.credentials."
	c.Key = fold(at+"header_name", "key", c.Key, c.HeaderName, p)
	c.Value = fold(at+"header_value", "value", c.Value, c.HeaderValue, p)
	c.HeaderName, c.HeaderValue = nil, nil
}

func fold(field, twin string, name, alias *string, p *problems) *string {
	if name != nil && alias != nil && *name != *alias {
		p.add(field, "is another spelling of %s and must not differ from it", twin)
	}
	if name == nil {
		return alias
	}
	return name
}

// foldMask does for the mask what foldAliases does for the body.
func foldMask(mask *fieldmaskpb.FieldMask) *fieldmaskpb.FieldMask {
	out := &fieldmaskpb.FieldMask{}
	for _, p := range mask.GetPaths() {
		switch p {
		case "http_config.auth.credentials.header_name":
			p = "http_config.auth.credentials.key"
		case "http_config.auth.credentials.header_value":
			p = "http_config.auth.credentials.value"
		}
		out.Paths = append(out.Paths, p)
	}
	return out
}
