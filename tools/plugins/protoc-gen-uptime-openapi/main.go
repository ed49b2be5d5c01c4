// Command protoc-gen-uptime-openapi writes the OpenAPI 3.1 document of the REST
// surface. It is a thin layer around protoc-gen-openapiv3: it prepares the request
// so that names are the ones on our wire, hands it on, then repairs and merges the
// answer, because our gateway's JSON is not protojson's default (snake_case names,
// lower-case enums, null for "no data", our own error body).
//
// Options: extra=FILE (may be repeated) merges an OpenAPI fragment with the
// endpoints that no proto describes, such as health and the event stream.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "protoc-gen-uptime-openapi:", err)
		os.Exit(1)
	}
}

// run answers one CodeGeneratorRequest. A fault of the protos goes into the
// response, which is where the plugin protocol shows it to the author.
func run(in io.Reader, out io.Writer) error {
	raw, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	req := &pluginpb.CodeGeneratorRequest{}
	if err := proto.Unmarshal(raw, req); err != nil {
		return fmt.Errorf("decode request: %w", err)
	}
	resp := &pluginpb.CodeGeneratorResponse{
		SupportedFeatures: proto.Uint64(uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL)),
	}
	content, err := generate(req, runGenerator)
	if err != nil {
		resp.Error = proto.String(err.Error())
	} else {
		resp.File = []*pluginpb.CodeGeneratorResponse_File{{
			Name:    proto.String("uptime.openapi.json"),
			Content: proto.String(content),
		}}
	}
	data, err := proto.Marshal(resp)
	if err != nil {
		return fmt.Errorf("encode response: %w", err)
	}
	if _, err := out.Write(data); err != nil {
		return fmt.Errorf("write response: %w", err)
	}
	return nil
}

// generate is the whole pipeline; next is the generator that knows OpenAPI.
func generate(req *pluginpb.CodeGeneratorRequest, next func(*pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error)) (string, error) {
	extras, err := readExtras(req.GetParameter())
	if err != nil {
		return "", err
	}
	ix, err := newIndex(req.GetProtoFile())
	if err != nil {
		return "", err
	}
	prepare(req)
	resp, err := next(req)
	if err != nil {
		return "", err
	}

	merged := newDocument()
	for _, file := range resp.GetFile() {
		doc, err := parseDocument([]byte(file.GetContent()))
		if err != nil {
			return "", fmt.Errorf("%s: %w", file.GetName(), err)
		}
		source := strings.TrimSuffix(file.GetName(), ".openapi.json") + ".proto"
		if err := repair(doc, ix, source); err != nil {
			return "", fmt.Errorf("%s: %w", source, err)
		}
		if err := merged.add(doc); err != nil {
			return "", fmt.Errorf("%s: %w", source, err)
		}
	}
	for _, extra := range extras {
		if err := merged.add(extra); err != nil {
			return "", fmt.Errorf("extra fragment: %w", err)
		}
	}
	merged.shortenNames()
	if err := merged.checkReferences(); err != nil {
		return "", err
	}
	return merged.encode()
}

// readExtras reads the fragments that the plugin's options name.
func readExtras(parameter string) ([]*document, error) {
	var extras []*document
	for option := range strings.SplitSeq(parameter, ",") {
		if option == "" {
			continue
		}
		file, ok := strings.CutPrefix(option, "extra=")
		if !ok {
			return nil, fmt.Errorf("unknown option %q", option)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("extra fragment: %w", err)
		}
		doc, err := parseDocument(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		extras = append(extras, doc)
	}
	return extras, nil
}
