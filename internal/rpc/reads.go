package rpc

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// readPrefixes begin the names of methods that only read. By the contracts' convention no other method's name begins so.
var readPrefixes = []string{"Get", "List", "BatchGet"}

// Reads lists, sorted, the unary methods of the services in a protobuf package that only read, by their names. They may be
// repeated; the result fits ClientConfig.Idempotent. Streams are left out: whoever opened one knows where to resume.
func Reads(pkg string) []string {
	var out []string
	protoregistry.GlobalFiles.RangeFilesByPackage(protoreflect.FullName(pkg), func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				if m := methods.Get(j); reads(m) {
					out = append(out, "/"+string(m.Parent().FullName())+"/"+string(m.Name()))
				}
			}
		}
		return true
	})
	slices.Sort(out)
	return out
}

func reads(m protoreflect.MethodDescriptor) bool {
	if m.IsStreamingClient() || m.IsStreamingServer() {
		return false
	}
	return slices.ContainsFunc(readPrefixes, func(prefix string) bool {
		rest, ok := strings.CutPrefix(string(m.Name()), prefix)
		// The next word begins with a capital letter: "Getaway" does not read.
		return ok && rest != "" && rest[0] >= 'A' && rest[0] <= 'Z'
	})
}
