package rpc

import (
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// TrimBody turns the proto path of a field into the path in the REST body: if the method's google.api.http annotation says
// body: "monitor", then "monitor.tcp_config.port" becomes "tcp_config.port". Anything else is left as it is. It fits
// Config.FieldName, and a gateway can apply it to the fields of a status.
func TrimBody(fullMethod, path string) string {
	return trimBody(protoregistry.GlobalFiles, fullMethod, path)
}

func trimBody(files *protoregistry.Files, fullMethod, path string) string {
	m, ok := findMethod(files, fullMethod)
	if !ok {
		return path
	}
	for _, body := range bodyFields(m) {
		if rest, ok := strings.CutPrefix(path, body+"."); ok {
			return rest
		}
	}
	return path
}

// bodyFields are the fields that some HTTP binding of m uses as the whole body.
func bodyFields(m protoreflect.MethodDescriptor) []string {
	rule, ok := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok || rule == nil {
		return nil
	}
	var out []string
	for _, r := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
		if b := r.GetBody(); b != "" && b != "*" {
			out = append(out, b)
		}
	}
	return out
}
